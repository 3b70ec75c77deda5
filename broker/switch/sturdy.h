/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sturdy references: those that are saved in the store room, to be had again by their secret
 * when their holders, or we, have ended. While one is in use it is a lent reference like any
 * other; all lent ones above it are saved, too, so that it never comes back wider.
 *
 * Uses are taken from the store in blocks, before anybody uses them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct grant;
struct lent;
struct ref;
struct wire_message;

/* Handlers of client.c. The connection is not read until they are answered. */
int on_save(struct conn *conn, const struct wire_message *m, int *fd);
int on_restore(struct conn *conn, const struct wire_message *m, int *fd);

/* No uses are left here of a saved reference: are there more in the store? Then they are on
 * their way. */
bool sturdy_more(struct ref *ref);

/* A lent reference ends; error: why, 0: nobody holds it any more. */
void sturdy_ended(struct lent *lent, int error);

/* A grant ends, and with it what hangs from it in the store. */
void sturdy_grant_ended(const struct grant *grant, int error);

/* Revocations asked of the store so far; and have the last of them answer this client's request
 * when it is durable. */
uint64_t sturdy_revocations(void);
void sturdy_answer_revoked(struct conn *conn, uint32_t serial);

/* The connection has gone. */
void sturdy_forget_conn(struct conn *conn);
