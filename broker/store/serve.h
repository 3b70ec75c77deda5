/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store room is asked, by the switch alone (broker/channel.h).
 */
#pragma once

#include "database.h"
#include "identity.h"

struct serve {
	int sock;		/* the channel */
	struct database *db;
	struct identity *identity;
	uint32_t last_serial;	/* of the SAVE answered last, and what it has saved */
	uint64_t last_id;	/* 0: nothing */
};

/* Answer until the switch is gone: 0; or a negative errno: it said what no switch says. */
int serve_run(struct serve *serve);
