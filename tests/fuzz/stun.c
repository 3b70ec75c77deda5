/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of STUN messages, which come from anywhere, and the server behind it. What it keeps
 * lies in the packet; no answer is longer than three times the request, and each can be parsed.
 */
#include <stdlib.h>
#include <string.h>

#include "../../libintro/punch/stun_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void within(const uint8_t *data, size_t size, const uint8_t *p, size_t len)
{
	check(!p || (p >= data + STUN_HEADER_BYTES && p <= data + size &&
		     len <= (size_t)(data + size - p)));
}

static void parse(const uint8_t *data, size_t size)
{
	struct stun_message m;

	if (stun_parse(data, size, &m) < 0)
		return;
	check(size <= STUN_MESSAGE_MAX && stun_looks(data, size));
	check(m.unknown_n <= STUN_UNKNOWN_MAX);
	check(m.error == 0 || (m.error >= 300 && m.error < 700));
	within(data, size, m.username, m.username_len);
	within(data, size, m.software, m.software_len);
	within(data, size, m.realm, m.realm_len);
	within(data, size, m.nonce, m.nonce_len);
	stun_verify(data, size, &m, "VOkJxbRl1RmTxUk/WvJxBt", 22);
}

static void serve(const uint8_t *data, size_t size, uint8_t family, bool second)
{
	struct address a = { .family = family, .port = 3478, .ip = { 0x20, 1, 2, 3 } };
	struct stun_server server = { .at = { { a, a }, { a, a } } };
	struct stun_answer answer;
	struct stun_message m;

	if (!second)
		server = (struct stun_server){ .at = { { a } } };
	if (!stun_server_answer(&server, 0, 0, &a, data, size, &answer))
		return;
	check(answer.len <= 3 * size && answer.ip < 2 && answer.port < 2);
	check(server.at[answer.ip][answer.port].family != 0);
	check(!stun_looks(data, size) || stun_parse(answer.bytes, answer.len, &m) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse(data, size);
	for (unsigned int i = 0; i < 4; i++)
		serve(data, size, i & 1 ? 4 : 6, i & 2);
	return 0;
}
