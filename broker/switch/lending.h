/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients do with references that they hold: lend, revoke, enclose, look at, compare.
 * Handlers of client.c.
 */
#pragma once

#include <stdint.h>

struct conn;
struct ref;
struct wire_message;

int on_lend(struct conn *conn, const struct wire_message *m, int *fd);
int on_revoke(struct conn *conn, const struct wire_message *m, int *fd);
int on_enclose(struct conn *conn, const struct wire_message *m, int *fd);
int on_stat(struct conn *conn, const struct wire_message *m, int *fd);
int on_same(struct conn *conn, const struct wire_message *m, int *fd);

/* End a reference for a connection's request, and reply: once that is said, nothing under the
 * reference reaches its service any more, also where we are started anew. */
void lending_end(struct conn *conn, uint32_t serial, struct ref *ref, int error);

/* A line of the audit log; a refusal of what was to be done to a reference; and success, with
 * the reference's number. */
void lending_audit(const struct conn *conn, const char *event, const struct ref *ref);
void lending_refuse(struct conn *conn, const struct wire_message *m, const char *event, int error);
void lending_refuse_serial(struct conn *conn, uint32_t serial, const char *event, int error);
void lending_reply(struct conn *conn, uint32_t serial, const struct ref *ref);
