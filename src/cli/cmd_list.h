/* SPDX-License-Identifier: Apache-2.0 */
/* COMMAND(name): one line a command; the descriptor cli_command_<name> ends src/cli/cmd_<name>.c. */
COMMAND(info)
COMMAND(quantize)
COMMAND(eval)
COMMAND(compare)
COMMAND(run)
COMMAND(bench)
COMMAND(operators)
COMMAND(man)
COMMAND(completion)
COMMAND(new)
COMMAND(tune)
COMMAND(export)
