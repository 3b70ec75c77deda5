/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of CHECK and REPLY:
 *
 *	0 type, 1 flags, 2 generation, 4 tag, 12 number, 16 answers, 20 family, 21 zero,
 *	22 port, 24 ip, 40 length, 42 zero, 44 echo, 52 MAC; then zeros up to length
 *
 * The MAC is over the first 52 bytes. The address is masked by the tag, so that no gateway that
 * rewrites addresses in payloads finds it (RFC 8489, section 14.2, has the same reason).
 */
#include "probe.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"

#define ECHO_AT 44u
#define MAC_AT 52u

_Static_assert(MAC_AT + KEY_MAC_BYTES == PROBE_BYTES, "the MAC ends a probe");

static void mask(uint8_t *bytes, size_t n, const uint8_t tag[static KEY_TAG_BYTES])
{
	for (size_t i = 0; i < n; i++)
		bytes[i] ^= tag[i % KEY_TAG_BYTES];
}

void probe_write(const struct probe *p, const uint8_t key[static KEY_BYTES],
		 uint8_t out[static PROBE_PADDED_BYTES])
{
	memset(out, 0, p->len);
	out[0] = (uint8_t)p->type;
	out[1] = p->flags;
	put_be16(out + 2, p->generation);
	memcpy(out + 4, p->tag, KEY_TAG_BYTES);
	put_be32(out + 12, p->number);
	put_be32(out + 16, p->answers);
	out[20] = p->seen.family;
	put_be16(out + 22, p->seen.port);
	memcpy(out + 24, p->seen.ip, sizeof p->seen.ip);
	mask(out + 22, 18, p->tag);
	put_be16(out + 40, (uint16_t)p->len);
	memcpy(out + ECHO_AT, p->echo, sizeof p->echo);
	key_mac(out + MAC_AT, key, out, MAC_AT);
}

bool probe_peek(const void *packet, size_t len, uint8_t ret_tag[static KEY_TAG_BYTES])
{
	const uint8_t *bytes = packet;

	if (len != PROBE_BYTES && len != PROBE_PADDED_BYTES)
		return false;
	if (bytes[0] != PROBE_CHECK && bytes[0] != PROBE_REPLY)
		return false;
	memcpy(ret_tag, bytes + 4, KEY_TAG_BYTES);
	return true;
}

int probe_read(const void *packet, size_t len, const uint8_t key[static KEY_BYTES],
	       struct probe *ret)
{
	const uint8_t *bytes = packet;
	uint8_t address[18];
	struct probe p;

	memset(&p, 0, sizeof p);
	if (!probe_peek(packet, len, p.tag) || get_be16(bytes + 40) != len)
		return -EPROTO;
	if (!key_mac_right(bytes + MAC_AT, key, bytes, MAC_AT))
		return -EBADMSG;
	p.type = bytes[0];
	p.flags = bytes[1];
	p.generation = get_be16(bytes + 2);
	p.number = get_be32(bytes + 12);
	p.answers = get_be32(bytes + 16);
	p.len = len;
	memcpy(p.echo, bytes + ECHO_AT, sizeof p.echo);
	memcpy(address, bytes + 22, sizeof address);
	mask(address, sizeof address, p.tag);
	p.seen.family = bytes[20];
	if (p.seen.family == 4 || p.seen.family == 6) {
		p.seen.port = get_be16(address);
		memcpy(p.seen.ip, address + 2, address_ip_bytes(&p.seen));
	} else if (p.seen.family != 0) {
		return -EPROTO;
	}
	*ret = p;
	return 0;
}
