/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the relay's own files share: relay.c (what comes in), relay_bind.c (legs),
 * relay_session.c (quota and end of a session).
 */
#pragma once

#include "relay.h"
#include "relay_cookie.h"
#include "relay_deny.h"
#include "relay_sources.h"
#include "relay_table.h"
#include "relay_wire.h"

struct relay {
	struct relay_table table;
	struct relay_sources sources;
	struct relay_cookies cookies;
	struct relay_deny deny;
	struct relay_quota quota;
	uint32_t per_ip;
	uint64_t datagram_ns;		/* between two of a leg's at its full rate; 0: no limit */
	uint64_t burst_ns;
	uint32_t sweep_at;
	uint64_t sweep_us;
	struct relay_counters counters;
};

static inline uint32_t relay_seconds(uint64_t now_us)
{
	return (uint32_t)(now_us / 1000000u);
}

/* Adds a message to what is to be sent. */
void relay_answer(struct relay_out *out, unsigned int socket, const struct address *to,
		  const struct relay_message *m);
/* The same to one of a session's legs: sets its number and nonce, too. */
void relay_tell(struct relay_out *out, const struct relay_session *s, unsigned int leg,
		struct relay_message *m);

/* HELLO, BIND, CLOSE, whose sender is not denied. */
void relay_got_hello(struct relay *r, uint64_t now_us, unsigned int socket,
		     const struct address *from, const struct relay_message *hello,
		     struct relay_out *out);
void relay_got_bind(struct relay *r, uint64_t now_us, unsigned int socket,
		    const struct address *from, const struct relay_message *bind,
		    struct relay_out *out);
void relay_got_close(struct relay *r, uint64_t now_us, const struct address *from,
		     const struct relay_message *m, struct relay_out *out);

/* The session, if it has not ended of idleness. */
struct relay_session *relay_session_find(struct relay *r, uint64_t now_us, uint64_t key);
/* A new one, which is to get a leg or to be removed from the table; NULL: no place. */
struct relay_session *relay_session_begin(struct relay *r, uint64_t now_us, uint64_t key);
void relay_session_end(struct relay *r, struct relay_session *s);
/* Its time is over. */
bool relay_session_outlived(const struct relay *r, const struct relay_session *s,
			    uint64_t now_us);
/* Its quota is used up: tells its legs. What is left of it is its number, so that it is not
 * bound anew at once. */
void relay_session_spend(struct relay *r, struct relay_session *s, struct relay_out *out);
/* Of n datagrams of this leg so many as its rate allows now. */
size_t relay_session_pace(const struct relay *r, struct relay_place *from, uint64_t now_us,
			  size_t n);
