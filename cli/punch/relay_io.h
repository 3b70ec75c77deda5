/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's sockets: receives in batches, hands them to the engine's relay, sends what it
 * says. It answers plain STUN on the same ports. Used by the role relay.
 */
#pragma once

#include <stddef.h>

#include "../../libintro/punch/relay.h"

struct relay_io;

/* Bind UDP sockets at these addresses. 0 or a negative errno; ret_failed is then which. */
int relay_io_new(struct relay_io **ret, const struct address *listen, size_t n,
		 size_t *ret_failed);
void relay_io_free(struct relay_io *io);

/* Where a socket is bound: its port is never 0. */
const struct address *relay_io_local(const struct relay_io *io, size_t i);

/* Serve until stop_fd is readable. 0 or a negative errno. */
int relay_io_run(struct relay_io *io, struct relay *relay, int stop_fd);

struct relay_io_counters {
	uint64_t stun;		/* Binding requests answered */
	uint64_t lost;		/* datagrams that the kernel did not take */
};
void relay_io_count(const struct relay_io *io, struct relay_io_counters *ret);
