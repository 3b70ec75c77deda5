/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of signal_line.h.
 */
#include "signal_line.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

static const char signal_word[] = "signal ", observed_word[] = "observed ";

int signal_line_put(const void *signal, size_t len, char out[static SIGNAL_LINE_BYTES])
{
	const size_t at = sizeof signal_word - 1;
	size_t used;

	if (len > OUTPUT_BYTES_MAX)
		return -EMSGSIZE;
	memcpy(out, signal_word, at);
	sodium_bin2base64(out + at, SIGNAL_LINE_BYTES - at, signal, len,
			  sodium_base64_VARIANT_ORIGINAL);
	used = strlen(out);
	memcpy(out + used, "\n", 2);
	return (int)used + 1;
}

int signal_line_get(const char *line, struct signal_line *ret)
{
	struct signal_line l = { 0 };

	if (strncmp(line, signal_word, sizeof signal_word - 1) == 0) {
		const char *text = line + sizeof signal_word - 1, *end;

		l.kind = LINE_SIGNAL;
		if (sodium_base642bin(l.bytes, sizeof l.bytes, text, strlen(text), NULL, &l.len, &end,
				      sodium_base64_VARIANT_ORIGINAL) < 0 || *end != '\0' ||
		    l.len == 0)
			return -EPROTO;
	} else if (strncmp(line, observed_word, sizeof observed_word - 1) == 0) {
		l.kind = LINE_OBSERVED;
		if (address_parse(line + sizeof observed_word - 1, 0, &l.observed) < 0)
			return -EPROTO;
		l.observed.port = 0;
	} else {
		return -EPROTO;
	}
	*ret = l;
	return 0;
}
