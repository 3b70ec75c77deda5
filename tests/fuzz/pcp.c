/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of PCP's answers, which come from whoever claims to be the router.
 *
 * Input: one datagram.
 */
#include <stdlib.h>
#include <string.h>

#include "../../libintro/punch/pcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pcp_answer a = { .epoch_s = 0x5a5a5a5a };
	struct pcp_wish wish = { 0 };
	uint8_t *copy = malloc(size ? size : 1);	/* exactly as long, for ASan to see */

	check(copy);
	memcpy(copy, data, size);
	if (pcp_get(copy, size, &a) < 0) {
		check(a.epoch_s == 0x5a5a5a5a);
		free(copy);
		return 0;
	}
	check(size >= PCP_ANNOUNCE_BYTES && size <= PCP_MESSAGE_MAX && data[0] == 2);
	if (a.opcode == PCP_MAP) {
		/* what it answers can be asked for again, and then reads the same */
		uint8_t again[PCP_MAP_BYTES];

		memcpy(wish.nonce, a.nonce, sizeof wish.nonce);
		wish.internal = (struct address){ .family = a.external.family,
						  .port = a.internal_port };
		wish.external = a.external;
		check(pcp_answers(&a, &wish) == (a.protocol == 17));
		pcp_put_map(&wish, again);
		check(memcmp(again + 24, data + 24, 12) == 0);
		check(memcmp(again + 40, data + 40, 20) == 0);
	}
	free(copy);
	return 0;
}
