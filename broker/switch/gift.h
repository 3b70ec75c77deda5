/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gifts: references on their way from one party to another. The giver provides one for a
 * recipient, who alone can claim it: once, before a deadline, and by a random number that the
 * giver tells it by whatever means they have.
 */
#pragma once

struct conn;
struct gift;
struct wire_message;

/* Handlers of client.c. */
int on_give(struct conn *conn, const struct wire_message *m, int *fd);
int on_claim(struct conn *conn, const struct wire_message *m, int *fd);

/* The reference in it has ended. */
void gift_lost(struct gift *gift);

/* A connection has ended, and what was for it alone with it. */
void gifts_end_of(const struct conn *conn);
