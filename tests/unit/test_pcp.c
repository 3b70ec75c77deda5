/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCP's messages against octets laid out by hand from RFC 6887's figures 2, 3, 9 and 10, and
 * what a router may send that is none of them.
 */
#include <errno.h>
#include <string.h>

#include "../../libintro/punch/pcp.h"
#include "../harness.h"

static const uint8_t nonce[PCP_NONCE_BYTES] = {
	0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab,
};

/* Client 192.168.1.2, UDP port 4660, 120 s, no wish for an external port. */
static const uint8_t request[PCP_MAP_BYTES] = {
	2, 1, 0, 0, 0, 0, 0, 120,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, 2,
	0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab,
	17, 0, 0, 0, 0x12, 0x34, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0,
};

/* Granted for 90 s as 198.51.100.7:22136, in the server's second 0x01020304. */
static const uint8_t granted[PCP_MAP_BYTES] = {
	2, 0x81, 0, 0, 0, 0, 0, 90, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab,
	17, 0, 0, 0, 0x12, 0x34, 0x56, 0x78,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 7,
};

static struct pcp_wish wish_of(const char *internal)
{
	struct pcp_wish wish = { .lifetime_s = 120 };

	memcpy(wish.nonce, nonce, sizeof nonce);
	cr_assert_eq(address_parse(internal, 0, &wish.internal), 0);
	return wish;
}

TEST(pcp, map_request)
{
	struct pcp_wish wish = wish_of("192.168.1.2:4660");
	uint8_t out[PCP_MAP_BYTES];

	cr_assert_eq(pcp_put_map(&wish, out), sizeof request);
	cr_assert_arr_eq(out, request, sizeof request);

	cr_assert_eq(address_parse("198.51.100.7:22136", 0, &wish.external), 0);
	wish.lifetime_s = 0;
	pcp_put_map(&wish, out);
	cr_assert_arr_eq(out + 4, "\0\0\0\0", 4);
	cr_assert_arr_eq(out + 42, granted + 42, 18);
}

TEST(pcp, map_request_ipv6)
{
	struct pcp_wish wish = wish_of("[2001:db8::5]:4660");
	static const uint8_t client[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 5 }, any[16] = { 0 };
	uint8_t out[PCP_MAP_BYTES];

	pcp_put_map(&wish, out);
	cr_assert_arr_eq(out + 8, client, 16);
	cr_assert_arr_eq(out + 44, any, 16);
}

TEST(pcp, announce_request)
{
	struct pcp_wish wish = wish_of("192.168.1.2:4660");
	uint8_t out[PCP_ANNOUNCE_BYTES];
	static const uint8_t wanted[PCP_ANNOUNCE_BYTES] = {
		2, 0, [18] = 0xff, 0xff, 192, 168, 1, 2,
	};

	cr_assert_eq(pcp_put_announce(&wish.internal, out), sizeof wanted);
	cr_assert_arr_eq(out, wanted, sizeof wanted);
}

TEST(pcp, map_granted)
{
	struct pcp_wish wish = wish_of("192.168.1.2:4660");
	struct pcp_answer a;
	char text[ADDRESS_TEXT_BYTES];

	cr_assert_eq(pcp_get(granted, sizeof granted, &a), 0);
	cr_assert_eq(a.opcode, PCP_MAP);
	cr_assert_eq(a.result, PCP_SUCCESS);
	cr_assert_eq(a.lifetime_s, 90);
	cr_assert_eq(a.epoch_s, 0x01020304);
	cr_assert_str_eq(address_format(&a.external, text), "198.51.100.7:22136");
	cr_assert(pcp_answers(&a, &wish));
}

TEST(pcp, answers_of_others)
{
	struct pcp_wish wish = wish_of("192.168.1.2:4660");
	static const size_t at[] = { 24, 35, 36, 40, 41 };
	uint8_t packet[PCP_MAP_BYTES];
	struct pcp_answer a;

	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		memcpy(packet, granted, sizeof packet);
		packet[at[i]] ^= 1;
		cr_assert_eq(pcp_get(packet, sizeof packet, &a), 0);
		cr_assert_not(pcp_answers(&a, &wish), "octet %zu", at[i]);
	}
}

TEST(pcp, refused)
{
	uint8_t packet[PCP_MAP_BYTES];
	struct pcp_answer a;

	memcpy(packet, granted, sizeof packet);
	packet[3] = PCP_NOT_AUTHORIZED;
	cr_assert_eq(pcp_get(packet, sizeof packet, &a), 0);
	cr_assert_eq(a.result, PCP_NOT_AUTHORIZED);
	packet[3] = 200;
	cr_assert_eq(pcp_get(packet, sizeof packet, &a), 0);
	cr_assert_eq(a.result, 200);
}

/* RFC 6886, section 3.5, and RFC 6887, section 9: how older and newer servers say no. */
TEST(pcp, other_versions)
{
	static const uint8_t nat_pmp[8] = { 0, 0x81, 0, 1, 0, 0, 0, 9 };
	uint8_t packet[PCP_MAP_BYTES];
	struct pcp_answer a;

	cr_assert_eq(pcp_get(nat_pmp, sizeof nat_pmp, &a), -EPROTONOSUPPORT);
	memcpy(packet, granted, sizeof packet);
	packet[3] = PCP_UNSUPP_VERSION;
	cr_assert_eq(pcp_get(packet, 24, &a), -EPROTONOSUPPORT);
	packet[0] = 3;
	cr_assert_eq(pcp_get(packet, sizeof packet, &a), -EPROTONOSUPPORT);
}

TEST(pcp, malformed)
{
	uint8_t packet[PCP_MESSAGE_MAX + 4] = { 0 };
	struct pcp_answer a = { .epoch_s = 7 };

	memcpy(packet, granted, sizeof granted);
	for (size_t len = 0; len < sizeof granted; len++)
		cr_assert_eq(pcp_get(packet, len, &a), -EPROTO, "%zu octets", len);
	cr_assert_eq(pcp_get(packet, sizeof packet, &a), -EPROTO);
	packet[1] = 0x01;	/* a request */
	cr_assert_eq(pcp_get(packet, sizeof granted, &a), -EPROTO);
	packet[1] = 0x80 | PCP_PEER;
	cr_assert_eq(pcp_get(packet, 80, &a), -EPROTO);
	cr_assert_eq(a.epoch_s, 7, "an output was touched");
}

TEST(pcp, options)
{
	uint8_t packet[PCP_MAP_BYTES + 12] = { 0 };
	struct pcp_answer a;

	memcpy(packet, granted, sizeof granted);
	/* one of 5 octets, padded to 8 */
	packet[PCP_MAP_BYTES] = 130;
	packet[PCP_MAP_BYTES + 3] = 5;
	cr_assert_eq(pcp_get(packet, sizeof packet, &a), 0);
	packet[PCP_MAP_BYTES + 3] = 9;
	cr_assert_eq(pcp_get(packet, sizeof packet, &a), -EPROTO);
	packet[PCP_MAP_BYTES + 2] = 0xff;
	packet[PCP_MAP_BYTES + 3] = 0xff;
	cr_assert_eq(pcp_get(packet, sizeof packet, &a), -EPROTO);
}

TEST(pcp, epoch)
{
	const uint64_t s = 1000000;
	struct pcp_epoch epoch = { 0 };

	cr_assert(pcp_epoch_holds(&epoch, 5000, 100 * s), "the first is believed");
	cr_assert(pcp_epoch_holds(&epoch, 5060, 160 * s));
	cr_assert(pcp_epoch_holds(&epoch, 5059, 160 * s), "overtaken by a second");
	cr_assert_not(pcp_epoch_holds(&epoch, 5057, 160 * s), "set back");
	cr_assert_not(pcp_epoch_holds(&epoch, 0, 220 * s), "restarted");
	cr_assert(pcp_epoch_holds(&epoch, 60, 280 * s), "and goes on from there");
	/* clocks may differ by a sixteenth, and two seconds */
	cr_assert(pcp_epoch_holds(&epoch, 60 + 160, (280 + 152) * s));
	cr_assert_not(pcp_epoch_holds(&epoch, 220 + 160, (432 + 147) * s));
	cr_assert(pcp_epoch_holds(&epoch, 380 + 152, (579 + 160) * s));
	cr_assert_not(pcp_epoch_holds(&epoch, 532 + 147, (739 + 160) * s));
	cr_assert_not(pcp_epoch_holds(&epoch, 678, (899 + 100) * s), "as old as before, much later");
}
