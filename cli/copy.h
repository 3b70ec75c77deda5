/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying bytes between two ends, for `intro connect` and for the sessions that an agent
 * splices. The end of one direction is passed on as a half-close; the other flows on.
 */
#pragma once

/* One party: where to read from it and where to write to it (a socket is both). Borrowed. */
struct copy_end {
	int in, out;
};

enum copy_until {
	COPY_BOTH_END,	/* until both directions have ended */
	COPY_B_ENDS,	/* until b has said all it had to say */
};

/* Returns 0, or a negative errno: the first that broke a direction. A party that went away is
 * -EPIPE or -ECONNRESET. Ignore SIGPIPE before. */
int copy_both(struct copy_end a, struct copy_end b, enum copy_until until);

/* Copy until end-of-file. 0 or a negative errno. */
int copy_one(int from, int to);
