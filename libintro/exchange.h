/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer on a socket of one's own, waiting: for the calls that need
 * neither events nor a second request.
 */
#pragma once

#include <stdint.h>

#include "wire/message.h"

/* Send packet (len bytes, in a buffer of WIRE_PACKET_MAX, which then holds the answer that m
 * points into) and wait until deadline (clock.h) for the REPLY to it.
 * 0, *ret_fd being -1 or the caller's; or a negative errno: the REPLY's error, -ETIMEDOUT,
 * -ECONNRESET the broker ended the connection, -EPROTO, -EMFILE. */
int in_exchange(int sock, uint8_t *packet, int len, uint64_t deadline,
		struct wire_message *m, int *ret_fd);
