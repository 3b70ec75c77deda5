/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro nat without a network: what a NAT means for meeting a peer (cli/nat_words.h), and wrong
 * command lines.
 */
#include <string.h>

#include "../../cli/nat_words.h"
#include "harness.h"

static enum nat_meeting meeting(enum nat_mapping mapping, enum nat_filtering filtering,
				enum nat_ports ports, uint8_t addresses)
{
	return nat_meeting(&(struct nat){ .mapping = mapping, .filtering = filtering,
					  .ports = ports, .addresses = addresses });
}

TEST(cli_nat, tells_how_a_peer_can_be_met)
{
	const enum nat_mapping easy = NAT_MAPPING_ENDPOINT_INDEPENDENT;
	const enum nat_mapping hard = NAT_MAPPING_ADDRESS_PORT_DEPENDENT;
	const enum nat_filtering strict = NAT_FILTERING_ADDRESS_PORT_DEPENDENT;

	cr_assert_eq(meeting(0, strict, NAT_PORTS_RANDOM, 1), MEETING_UNKNOWN);
	cr_assert_eq(meeting(easy, NAT_FILTERING_ENDPOINT_INDEPENDENT, 0, 1), MEETING_OPEN);
	cr_assert_eq(meeting(easy, strict, NAT_PORTS_RANDOM, 3), MEETING_EASY);
	cr_assert_eq(meeting(easy, NAT_FILTERING_UNKNOWN, 0, 1), MEETING_EASY);
	cr_assert_eq(meeting(NAT_MAPPING_NONE, strict, 0, 1), MEETING_EASY);
	cr_assert_eq(meeting(hard, strict, NAT_PORTS_PRESERVING, 1), MEETING_PREDICTION);
	cr_assert_eq(meeting(hard, strict, NAT_PORTS_SEQUENTIAL, 1), MEETING_PREDICTION);
	cr_assert_eq(meeting(hard, strict, NAT_PORTS_BLOCK, 1), MEETING_SPRAYING);
	cr_assert_eq(meeting(hard, strict, NAT_PORTS_RANDOM, 1), MEETING_SPRAYING);
	cr_assert_eq(meeting(hard, strict, NAT_PORTS_SEQUENTIAL, 2), MEETING_RELAY);
	cr_assert_eq(meeting(hard, strict, NAT_PORTS_UNKNOWN, 1), MEETING_UNKNOWN);
}

static void refused(const char *servers, const char *a, const char *b, const char *words)
{
	_cleanup_run_ struct run r;
	char path[PATH_BYTES];

	program_path("intro", path);
	run(&r, &(struct spawn){ .argv = (const char *const[]){ path, "nat", a, b, NULL },
				 .env = (const char *const[]){ servers, NULL } });
	cr_assert_eq(r.status, 100, "%d: %s", r.status, r.err);
	cr_assert_not_null(strstr(r.err, words), "%s", r.err);
}

TEST(cli_nat, says_what_is_wrong_with_a_command_line)
{
	refused("INTRO_STUN", NULL, NULL, "INTRO_STUN");
	refused("INTRO_STUN=127.0.0.1 127.0.0.2,127.0.0.3", NULL, NULL, "more than 2");
	refused("INTRO_STUN=[::1", NULL, NULL, "no HOST[:PORT]");
	refused("INTRO_STUN", "--server", "127.0.0.1:", "no HOST[:PORT]");
	refused("INTRO_STUN", "--server", "127.0.0.1:0", "no HOST[:PORT]");
	refused("INTRO_STUN", "--server", ":3478", "no HOST[:PORT]");
	refused("INTRO_STUN", "--server", "127.0.0.1:x", "no HOST[:PORT]");
	refused("INTRO_STUN", "--server", "127.0.0.1:9x", "no HOST[:PORT]");
	refused("INTRO_STUN", "--server", "127.0.0.1:65536", "no HOST[:PORT]");
	refused("INTRO_STUN=127.0.0.1", "extra", NULL, "unexpected \"extra\"");
}
