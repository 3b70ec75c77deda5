/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Administration: what whoever can open control.sock may ask, and the same messages as they
 * come from the configuration and from the last switch.
 */
#pragma once

#include <stdint.h>

struct conn;
struct wire_message;

/* Handle one message of a connection. 0, or a negative errno: end it. */
int admin_dispatch(struct conn *conn, const struct wire_message *m);

/* From the configuration. fd: the directory it names, or -1; set to -1 where taken over. */
int admin_configure(const struct wire_message *m, int *fd);

/* From the parent's store. fd: its listener, or -1; set to -1 where taken over. */
int admin_restore(const struct wire_message *m, uint64_t entry, int *fd);

/* The configuration is complete: remove what only an earlier one named. */
void admin_sweep(void);
