/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors in flight: sent and not yet received. The kernel refuses everybody's when one
 * user has too many, and its garbage collector slows down long before, so we keep few: a
 * window per connection, charged to the receiver, and a total.
 *
 * Nobody tells us of a receive. The count goes down when it matters, by asking how many bytes
 * are unread (SIOCOUTQ, unix(7)); each packet costs at least flight_unit bytes of those.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct conn;

/* Learn the unit and the total. 0 or a negative errno. */
int flight_init(void);

/* May one more descriptor be sent to it? */
bool flight_room(struct conn *conn);

/* The same, whatever its window: by the accounts and the total alone. */
bool flight_room_beyond(struct conn *conn);

/* n descriptors were sent to it, or are about to be; or these were not sent after all. */
void flight_sent(struct conn *conn, uint32_t n);
void flight_unsent(struct conn *conn, uint32_t n);

/* How a send of descriptors went: 0 or a negative errno. ETOOMANYREFS means that our uid has
 * more in flight than the kernel lets it have; as ours stay below that, others' are too many.
 * The operator is told once, until something is sent again. */
void flight_note(int r);

/* Ask how much is still unread. */
void flight_refresh(struct conn *conn);

/* It is gone, and so is what it did not read. */
void flight_forget(struct conn *conn);

/* Bytes unread, for listings. */
uint32_t flight_bytes(const struct conn *conn);
