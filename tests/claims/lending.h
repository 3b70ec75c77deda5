/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References made from references by the bare protocol, for the claims about them.
 */
#pragma once

#include "scene.h"

/* Our uid as the broker of a scene sees it, which is countable: the root of its user namespace. */
#define ROOM_UID 0u

/* Terms; what is zero is left out. */
struct lent_terms {
	uint32_t rights, uses, sessions;
	uint64_t lifetime_usec;
	const char *label;
	bool leash;
};

/* Put terms into a message, behind NAME and before PARENT. */
void put_terms(struct wire_writer *w, const struct lent_terms *terms);

/* Lend from a handle (0: from the name "db"), to be bound to ref: 0 or an error. terms and ret_id
 * (its number) may be NULL. */
int lend(int sock, uint32_t ref, uint32_t parent, const struct lent_terms *terms,
	 uint64_t *ret_id);

/* Revoke a handle; ret_broken: how many BROKEN came until the reply. */
int take_back(int sock, uint32_t ref, unsigned int *ret_broken);

/* Be introduced by a handle: the descriptor or an error. */
int meet(int sock, uint32_t ref);

/* Put a child of a reference into a door, as a name. 0 or an error. */
int grant_of(const struct broker *b, const char *door, const char *name, uint64_t parent);

/* Serve "db" and promise to shut sessions down. */
int serve_leashed(const struct scene *s);

/* Memory that children share, zeroed. */
void *shared_memory(size_t bytes);

/* Bind ref to the name "db". 0 or an error. */
int find_db(int sock, uint32_t ref);

/* Give what ref is bound to; to a door, or (NULL) whoever serves what to is bound to. 0 with the
 * gift, or an error. wait_usec 0: as long as gifts wait. */
int give(int sock, uint32_t ref, const char *door, uint32_t to, uint64_t wait_usec,
	 uint8_t gift[WIRE_GIFT_BYTES]);

/* Claim, to be bound to ref. 0 or an error. */
int claim(int sock, uint32_t ref, const void *gift, size_t len);

/* Enclose what ref is bound to as "db": the entrance, or an error. The connection may send
 * descriptors. */
int enclose(int sock, uint32_t ref);

/* A connection through an entrance. */
int join(int entrance);
