/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words for what became of a packet.
 */
#include "packet.h"

const char *sim_verdict_word(enum sim_verdict verdict)
{
	static const char *const words[SIM_VERDICTS] = {
		[SIM_FORWARD] = "forwarded",
		[SIM_HAIRPIN] = "hairpinned",
		[SIM_DELIVERED] = "delivered",
		[SIM_DROP_TTL] = "ttl",
		[SIM_DROP_UNSOLICITED] = "unsolicited",
		[SIM_DROP_POISON] = "poisoned",
		[SIM_DROP_FILTERED] = "filtered",
		[SIM_DROP_HAIRPIN] = "no hairpin",
		[SIM_DROP_PORTS] = "no port free",
		[SIM_DROP_LIMIT] = "flow limit",
		[SIM_DROP_FLOOD] = "flood guard",
		[SIM_DROP_LOSS] = "lost",
		[SIM_DROP_QUEUE] = "queue full",
		[SIM_DROP_MTU] = "too long",
		[SIM_DROP_ROUTE] = "no route",
		[SIM_DROP_CLOSED] = "no socket",
	};

	return verdict < SIM_VERDICTS ? words[verdict] : "?";
}
