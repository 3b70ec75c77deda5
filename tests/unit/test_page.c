/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro-protocol(7) prints whole packets, byte by byte: they are what the codec makes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "harness.h"

#define PAGE SOURCE_DIR "/libintro/wire/intro-protocol.7"

/* The bytes of the page's nth example of a packet, and their number. */
static size_t page_bytes(const char *page, int nth, uint8_t out[static 64])
{
	const char *p = strstr(page, ".Sh EXAMPLES");
	size_t n = 0;

	for (int i = 0; i <= nth; i++) {
		p = strstr(p, ".Bd -literal");
		cr_assert_not_null(p);
		p = strchr(p, '\n') + 1;
	}
	for (; strncmp(p, ".Ed", 3) != 0; p = strchr(p, '\n') + 1) {
		unsigned int byte;
		int len;

		/* three blanks begin the words beside them */
		for (const char *q = p; strncmp(q, "   ", 3) != 0 && n < 64 &&
					sscanf(q, "%2x%n", &byte, &len) == 1; q += len)
			out[n++] = (uint8_t)byte;
	}
	return n;
}

static void is_packet(const char *page, int nth, const struct wire_writer *w)
{
	uint8_t bytes[64];
	size_t n = page_bytes(page, nth, bytes);

	cr_assert_eq((int)n, wire_finish(w));
	cr_expect_arr_eq(bytes, w->buf, n);
}

TEST(page, prints_the_protocols_bytes)
{
	char *page = file_read(PAGE);
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;

	cr_assert_not_null(page);
	wire_begin(&w, buf, sizeof buf, WIRE_CONNECT, 7, 0, 0);
	wire_put_string(&w, TAG_NAME, "hello");
	wire_put_u32(&w, TAG_SOCKTYPE, SOCK_STREAM);
	wire_put_u64(&w, TAG_WAIT, 1000000);
	is_packet(page, 0, &w);
	wire_begin(&w, buf, sizeof buf, WIRE_REPLY, 7, 0, 1);
	wire_put_u32(&w, TAG_WAY, WAY_PAIR);
	wire_put_u32(&w, TAG_PATH, PATH_LOCAL);
	wire_put_u64(&w, TAG_SESSION, 1795229282318153);
	is_packet(page, 1, &w);
	wire_begin(&w, buf, sizeof buf, WIRE_REPLY, 7, 0, 0);
	wire_put_u32(&w, TAG_ERROR, (uint32_t)-ENOENT);
	is_packet(page, 2, &w);
	free(page);
}
