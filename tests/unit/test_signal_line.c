/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines between two peers: whatever an engine says comes over as it is, and nothing else is
 * taken for a line.
 */
#include <errno.h>
#include <string.h>

#include "../../cli/punch/signal_line.h"
#include "../harness.h"

TEST(signal_line, every_length_comes_over)
{
	uint8_t signal[OUTPUT_BYTES_MAX];
	char line[SIGNAL_LINE_BYTES];
	struct signal_line l;

	for (size_t i = 0; i < sizeof signal; i++)
		signal[i] = (uint8_t)(i * 37);
	for (size_t len = 1; len <= sizeof signal; len++) {
		int n = signal_line_put(signal, len, line);

		cr_assert_gt(n, 0);
		cr_assert_eq((size_t)n, strlen(line));
		cr_assert_eq(line[n - 1], '\n');
		line[n - 1] = '\0';
		cr_assert_eq(signal_line_get(line, &l), 0);
		cr_assert_eq(l.kind, LINE_SIGNAL);
		cr_assert_eq(l.len, len);
		cr_assert_arr_eq(l.bytes, signal, len);
	}
	cr_assert_eq(signal_line_put(signal, sizeof signal + 1, line), -EMSGSIZE);
}

TEST(signal_line, observed)
{
	char text[ADDRESS_TEXT_BYTES];
	struct signal_line l;

	cr_assert_eq(signal_line_get("observed 198.51.100.7", &l), 0);
	cr_assert_eq(l.kind, LINE_OBSERVED);
	cr_assert_str_eq(address_format(&l.observed, text), "198.51.100.7:0");
	cr_assert_eq(signal_line_get("observed 2001:db8::1", &l), 0);
	cr_assert_str_eq(address_format(&l.observed, text), "[2001:db8::1]:0");
}

TEST(signal_line, nothing_else)
{
	static const char *const lines[] = {
		"", "signal", "signal ", "signal AAA", "signal AA==x", "signal AA== ", "signal A A=",
		"signal !!!!", "signal\tAA==", "Signal AA==", " signal AA==", "signals AA==",
		"observed", "observed ", "observed example.org", "observed 1.2.3", "event {}",
	};
	static char longer[OUTPUT_BYTES_MAX * 2];
	struct signal_line l = { .len = 7 };

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		cr_expect_eq(signal_line_get(lines[i], &l), -EPROTO, "\"%s\"", lines[i]);
	memset(longer, 'A', sizeof longer - 1);
	memcpy(longer, "signal ", 7);
	longer[7 + (OUTPUT_BYTES_MAX + 4) / 3 * 4] = '\0';
	cr_expect_eq(signal_line_get(longer, &l), -EPROTO);
	cr_expect_eq(l.len, 7, "an output was touched");
}
