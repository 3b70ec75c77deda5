/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What introd-config writes to its standard output when a configuration is good, and the
 * parent room reads: frames of a u32 little-endian length and one message of the codec. First
 * CONFIG_SETTINGS, then administration messages in this order: WIRE_LIMIT, WIRE_DOOR_ADD,
 * WIRE_GRANT, WIRE_PLACE. A DIRECTORY in them is a path that the parent opens.
 * Nothing is written when there is an error: then the exit status is 1, and the standard
 * error has a line FILE:LINE:COLUMN: SENTENCE for each.
 */
#pragma once

#include "../../libintro/wire/protocol.h"

/* [NAME]: the user of the rooms; [DIRECTORY]: the audit file; [WHAT]: enum audit_kind; what is
 * absent was not said */
#define CONFIG_SETTINGS (WIRE_ROOM + 32u)

#define CONFIG_FILE_MAX (1u << 20)	/* bytes of a configuration file */
#define CONFIG_OUTPUT_MAX (8u << 20)	/* bytes of what is written */
#define CONFIG_PATH_MAX WIRE_TEXT_MAX	/* bytes of a path in it */
