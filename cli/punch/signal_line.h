/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines by which two peers are told of each other: what one prints, the other one reads.
 *
 *	signal BASE64		an OUTPUT_SIGNAL, to be carried as it is
 *	observed IP		the carrier itself saw the other end at this address
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../../libintro/punch/address.h"
#include "../../libintro/punch/output.h"

/* "signal ", base64 of OUTPUT_BYTES_MAX bytes, a newline and a NUL. */
#define SIGNAL_LINE_BYTES ((OUTPUT_BYTES_MAX + 2) / 3 * 4 + 9)

struct signal_line {
	enum signal_line_kind {
		LINE_SIGNAL,
		LINE_OBSERVED,
	} kind;
	size_t len;
	uint8_t bytes[OUTPUT_BYTES_MAX];	/* LINE_SIGNAL */
	struct address observed;		/* LINE_OBSERVED: port 0 */
};

/* Writes the line with its newline; its length in bytes, or -EMSGSIZE. */
int signal_line_put(const void *signal, size_t len, char out[static SIGNAL_LINE_BYTES]);

/* A line without its newline. 0 or -EPROTO. */
int signal_line_get(const char *line, struct signal_line *ret);
