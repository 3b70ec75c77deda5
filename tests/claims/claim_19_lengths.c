/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 19: malformed packets disconnect only their sender and leak nothing. Here: packets of
 * every length, and of every type where it may stand and where not.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "malformed.h"

TEST(claim_19, lengths)
{
	static uint8_t zeros[WIRE_PACKET_MAX + 1], ones[WIRE_PACKET_MAX + 1];
	static uint8_t tail[WIRE_PACKET_MAX + 1] = { FIND_DB };
	struct place p;

	memset(ones, 0xff, sizeof ones);
	memset(tail + WIRE_HEADER_BYTES, 0xff, sizeof tail - WIRE_HEADER_BYTES);
	place_start(&p);
	for (size_t len = 0; len <= WIRE_PACKET_MAX + 1; len++) {
		cr_assert(ends_sender(p.bad, zeros, len), "%zu zeros", len);
		cr_assert(ends_sender(p.bad, ones, len), "%zu ones", len);
		if (len != WIRE_HEADER_BYTES)
			cr_assert(ends_sender(p.bad, tail, len), "a header and ones: %zu", len);
		if (len % 512 == 0)
			place_check(&p);
	}
	place_end(&p);
}

/* A good message of every length, by a tag that nobody knows; one byte less is malformed. */
TEST(claim_19, every_length_may_be_good)
{
	static uint8_t packet[WIRE_PACKET_MAX + 64] = { FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b',
							0xff, 0x7f };
	const size_t head = WIRE_HEADER_BYTES + WIRE_TLV_BYTES + 2 + WIRE_TLV_BYTES;
	struct place p;

	place_start(&p);
	for (size_t len = head; len <= WIRE_PACKET_MAX; len++) {
		size_t rest = len - head;

		packet[head - 2] = (uint8_t)rest;
		packet[head - 1] = (uint8_t)(rest >> 8);
		cr_assert(is_answered(p.bad, packet, len), "%zu bytes", len);
		cr_assert(ends_sender(p.bad, packet, len - 1), "%zu bytes of %zu", len - 1, len);
	}
	cr_assert(ends_sender(p.bad, packet, WIRE_PACKET_MAX + 1));
	place_end(&p);
}

/* What a client may ask without a descriptor; the others are refused to everybody. */
static bool for_clients(unsigned int type)
{
	return type >= WIRE_FIND && type <= WIRE_RESTORE && type != WIRE_PLACE &&
	       type != WIRE_HOLD && type != WIRE_JOIN && type != WIRE_SHARE &&
	       type != WIRE_ENCLOSE;
}

TEST(claim_19, types)
{
	struct place p;

	place_start(&p);
	for (unsigned int type = 0; type < 0x10000; type += type < 256 ? 1 : 255) {
		const uint8_t bare[] = { 1, 0, (uint8_t)type, (uint8_t)(type >> 8), 1, 0, 0, 0,
					 1, 0, 0, 0 };
		const uint8_t named[] = { 1, 0, (uint8_t)type, (uint8_t)(type >> 8), 1, 0, 0, 0,
					  1, 0, 0, 0, TAG_NAME, 0, 2, 0, 'd', 'b' };

		if (for_clients(type)) {
			cr_assert(is_answered(p.bad, bare, sizeof bare), "type %u", type);
			cr_assert(is_answered(p.bad, named, sizeof named), "type %u", type);
		} else if (type != WIRE_SHARE) {
			cr_assert(ends_sender(p.bad, bare, sizeof bare), "type %u", type);
			cr_assert(ends_sender(p.bad, named, sizeof named), "type %u", type);
		}
	}
	place_end(&p);
}

/* On control.sock, too, what nobody knows ends its sender only. */
TEST(claim_19, types_of_administration)
{
	struct place p;

	place_start(&p);
	for (unsigned int type = 0; type < 256; type++) {
		const uint8_t bare[] = { 1, 0, (uint8_t)type, 0, 1, 0, 0, 0, 1, 0, 0, 0 };
		bool known = for_clients(type) || type == WIRE_SHARE ||
			     (type >= WIRE_DOOR_ADD && type <= WIRE_WHY);
		int sock;

		if (known)
			continue;
		sock = raw_open_control(&p.b);
		raw_bytes(sock, bare, sizeof bare, -1, 0);
		cr_assert(is_ended(sock), "type %u", type);
		close(sock);
	}
	for (unsigned int type = WIRE_DOOR_ADD; type <= WIRE_WHY; type++) {
		const uint8_t bare[] = { 1, 0, (uint8_t)type, 0, 1, 0, 0, 0, 1, 0, 0, 0 };
		int sock = raw_open_control(&p.b);

		raw_bytes(sock, bare, sizeof bare, -1, 0);
		cr_assert(lives(sock), "type %u", type);
		close(sock);
	}
	place_end(&p);
}

/* A connection that is shared takes JOIN only. */
TEST(claim_19, anything_else_on_a_shared_connection)
{
	struct place p;

	place_start(&p);
	for (unsigned int type = 0; type < 256; type++) {
		static const uint8_t share[] = { 1, 0, WIRE_SHARE, 0, 1, 0, 0, 0, 0, 0, 0, 0 };
		const uint8_t bare[] = { 1, 0, (uint8_t)type, 0, 2, 0, 0, 0, 1, 0, 0, 0 };
		struct raw reply;
		int sock = raw_open(p.bad);

		MUST(send(sock, share, sizeof share, 0));
		cr_assert_eq(raw_reply(sock, 1, &reply), 0);
		raw_bytes(sock, bare, sizeof bare, -1, 0);
		cr_assert(is_ended(sock), "type %u", type);
		close(sock);
	}
	place_end(&p);
}
