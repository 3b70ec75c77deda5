/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an agent opens sockets: "tcp:HOST:PORT" (HOST a name, an IPv4 or a bracketed IPv6
 * address) or "unix:PATH" ("unix:@NAME" is an abstract one).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define TARGET_ADDRESSES 8u	/* of one host; a server with more still answers on these */

struct address {
	socklen_t len;		/* bytes */
	struct sockaddr_storage sa;
};

struct target {
	const char *text;	/* as given; borrowed */
	bool tcp;
	bool numeric;		/* needs no resolver */
	int64_t patient_ms;	/* CLOCK_MONOTONIC: until then its server, which is being */
				/* started, may not listen yet */
	char host[256], port[8];
	struct address address[TARGET_ADDRESSES];
	uint32_t naddresses;
	int64_t resolved_ms;	/* CLOCK_MONOTONIC; 0: never */
};

/* Parse. 0 with the target ready to be used, or -EINVAL, with what was wanted in *ret_wanted
 * (static). */
int target_parse(const char *text, struct target *ret, const char **ret_wanted);

/* A target for a socket's path, which may be one in /proc. 0 or -ENAMETOOLONG. */
int target_path(const char *path, struct target *ret);

/* Whether its addresses may be used without asking the resolver. */
bool target_is_fresh(const struct target *target);

/* Start asking the resolver, which may take seconds, in a child: its pid, or a negative
 * errno. Poll *ret_fd (the caller's), and call target_resolved() when it is readable. */
int target_resolve(const struct target *target, int *ret_fd);

/* 0, or a negative errno: -EHOSTUNREACH, -EAGAIN (try again later). */
int target_resolved(struct target *target, int fd);
