/* SPDX-License-Identifier: Apache-2.0 */
/* SCHEDULE(name): one line a schedule; the descriptor it_schedule_<name> ends src/train/schedule_<name>.c. */
SCHEDULE(cosine)
SCHEDULE(step)
SCHEDULE(linear)
SCHEDULE(constant)
