/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets from the broker. It is not trusted to make sense: one that does not costs it the
 * connection, and nothing else happens.
 */
#pragma once

struct intro;

/* Receive one packet and do what it says. 1; 0 when there is none, or the connection ended;
 * or a negative errno: -EMFILE (a descriptor was lost), -ENOMEM (an event was). */
int in_receive(struct intro *in);
