/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The survey of a host's NATs: a machine that asks one or two STUN servers from several sockets
 * and ends with a struct nat. Sans-I/O as everything here: it is fed with datagrams and moments,
 * its wishes are taken out (output.h). All its sockets are its own: it has no main socket, and
 * opens number 1 first. For `intro nat`, the punch program, and the room that punches.
 *
 * A server that has a second address (OTHER-ADDRESS) makes every test possible; with two plain
 * servers mapping and allocation are found, filtering and poisoning are not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "nat.h"
#include "output.h"

struct survey;

struct survey_config {
	struct address servers[2];	/* the second may be none; of one family */
	const struct address *locals;	/* the host's own addresses, to know "no NAT" */
	size_t locals_n;
	bool low_ports;			/* a socket below 1024 may be asked for */
	uint64_t lifetime_us;		/* test for how long a mapping without traffic lasts, up to
					 * this; 0: do not (it takes as long as it takes) */
	uint64_t limit_us;		/* when to end with what is known: 1,800,000 fits "under
					 * 2 s" */
	uint8_t seed[32];
};

/* Begin. 0 or a negative errno (-ENOMEM, -EINVAL: no server). */
int survey_new(struct survey **ret, const struct survey_config *config, uint64_t now_us);
void survey_free(struct survey *s);

/* A socket that OUTPUT_OPEN asked for is there, bound to local's port; or error (negative
 * errno) says why it is not. */
void survey_opened(struct survey *s, uint64_t now_us, uint16_t socket,
		   const struct address *local, int error);
void survey_datagram(struct survey *s, uint64_t now_us, uint16_t socket,
		     const struct address *from, const void *packet, size_t len);
/* Call at the deadline. */
void survey_timer(struct survey *s, uint64_t now_us);
uint64_t survey_deadline(const struct survey *s);
bool survey_take(struct survey *s, struct output *ret);

/* true: it is over, all its sockets were asked to be closed, and ret is what was found (.complete
 * tells whether all of it was). ret may be looked at before, too. Samples that were made:
 * for who wants to show them. */
bool survey_result(const struct survey *s, struct nat *ret);
size_t survey_samples(const struct survey *s, const struct nat_sample **ret);
