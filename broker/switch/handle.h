/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles: references as connections hold them, by numbers of their clients' choice.
 */
#pragma once

#include <stdint.h>

struct conn;
struct exporter;
struct placement;
struct ref;

struct handle {
	struct conn *conn;
	struct ref *ref;
	struct handle *next, **at;	/* among its reference's handles */
	uint32_t id;
	int error;		/* why it is broken, while its client has not been told */
};

struct handle *handle_find(const struct conn *conn, uint32_t id);

/* Bind a number to a reference. 0, -EINVAL (zero), -EEXIST, -EDQUOT or -ENOMEM. */
int handle_bind(struct conn *conn, uint32_t id, struct ref *ref, struct handle **ret);

/* Unbind; what was served or placed through it is withdrawn. Its reference may be freed. */
void handle_free(struct handle *handle);

/* Its reference has ended: unbind it, and tell its client, which may have to wait until that has
 * read what there is already: as many as it had. */
void handle_break(struct handle *handle, int error);

/* Tell what waits to be told; at the end of the connection forget it; of this number, which its
 * client has dropped. */
void handle_tell_broken(struct conn *conn);
void handle_forget_broken(struct conn *conn);
void handle_drop_broken(struct conn *conn, uint32_t id);

/* What is served, or placed, through it; or NULL. */
struct exporter *handle_exporter(const struct handle *handle);
struct placement *handle_placement(const struct handle *handle);
