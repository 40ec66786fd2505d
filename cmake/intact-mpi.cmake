# SPDX-License-Identifier: Apache-2.0
# The installed toolkit was built with MPI.
find_package(MPI QUIET COMPONENTS C)
if(NOT MPI_C_FOUND)
  list(APPEND intact_toolkit_missing MPI)
endif()
