/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines from a descriptor, and lines to one that may not be read for a while: in an event loop,
 * so that neither end of a pipe ever waits for the other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "../loop.h"

#define LINES_IN_BYTES 4096u		/* longer ones are said to be wrong */
#define LINES_OUT_BYTES (256u << 10)	/* that wait; what does not fit is lost */

struct lines_in {
	struct loop *loop;
	struct loop_source source;
	/* Called with each line, without its newline; NULL for one that is too long. */
	void (*line)(struct lines_in *in, const char *line);
	size_t used;
	bool skipping;
	char buf[LINES_IN_BYTES + 1];
};

/* Begin; fd is borrowed. A file that cannot be watched is read to its end at once. After the end
 * of the file nothing more happens. 0 or a negative errno. */
int lines_in_begin(struct lines_in *in, struct loop *loop, int fd,
		   void (*line)(struct lines_in *in, const char *line));

struct lines_out {
	struct loop *loop;
	struct loop_source source;
	int fd;			/* borrowed; -1: nobody reads any more */
	size_t head, tail;
	bool lost;
	char buf[LINES_OUT_BYTES];
};

void lines_out_begin(struct lines_out *out, struct loop *loop, int fd);
/* One line with its newline: written now if that does not wait, else when it can be. */
void lines_out_put(struct lines_out *out, const char *line, size_t len);
/* Wait for what is left to be taken, at most 1 s. */
void lines_out_end(struct lines_out *out);
