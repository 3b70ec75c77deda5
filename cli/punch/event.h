/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to a peer, as lines for programs: "event " and one JSON object.
 */
#pragma once

#include "../../libintro/punch/nat.h"
#include "../../libintro/punch/punch.h"
#include "mapping.h"

#define EVENT_LINE_BYTES 2048u

/* Each writes the line with its newline and a NUL; its length in bytes, or -ENOMEM. */
int event_nat(const struct nat *nat, char out[static EVENT_LINE_BYTES]);
int event_mapped(const struct mapping_result *mapping, char out[static EVENT_LINE_BYTES]);
/* local_port: of the event's path's socket. */
int event_punch(const struct punch_event *event, uint16_t local_port,
		char out[static EVENT_LINE_BYTES]);
/* What is counted, at the end. */
int event_ended(const struct punch_counters *counters, char out[static EVENT_LINE_BYTES]);
