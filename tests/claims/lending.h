/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References made from references by the bare protocol, for the claims about them.
 */
#pragma once

#include "scene.h"

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
