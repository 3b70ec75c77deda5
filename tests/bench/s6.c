/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s6: retrieves a descriptor from s6-fdholderd over and over on one persistent
 * connection, by its protocol written by hand: big-endian u32 bytes and u16 descriptors,
 * then "R", a zero (do not delete), the identifier's length, the identifier, a zero; the
 * answer is one zero byte with a descriptor. Started by load.
 *
 *	s6 SOCKET IDENTIFIER
 */
#include <arpa/inet.h>

#include "raw.h"

#define HEADER_BYTES 6u

struct holder {
	int sock, got;
	uint8_t packet[300];
	size_t len;
};

static uint64_t retrieve(void *arg)
{
	struct holder *h = arg;
	uint8_t buf[64];
	size_t nfds = 0, len;

	raw_send(h->sock, h->packet, h->len, -1);
	len = raw_recv(h->sock, buf, sizeof(buf), &h->got, 1, &nfds);
	if (len != HEADER_BYTES + 1 || nfds != 1) {
		errno = len > HEADER_BYTES ? buf[HEADER_BYTES] : EPROTO;
		slice_die("s6-fdholderd refused");
	}
	return slice_now();
}

static void tidy(void *arg)
{
	struct holder *h = arg;

	close(h->got);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address;
	struct holder h;
	uint32_t word;
	size_t id;

	if (argc != 3 || strlen(argv[2]) > 255) {
		fputs("usage: s6 SOCKET IDENTIFIER\n", stderr);
		return 100;
	}
	id = strlen(argv[2]);
	word = htonl((uint32_t)id + 4);
	memcpy(h.packet, &word, 4);
	memset(h.packet + 4, 0, 2);
	memcpy(h.packet + HEADER_BYTES, (uint8_t[]){ 'R', 0, (uint8_t)id }, 3);
	memcpy(h.packet + HEADER_BYTES + 3, argv[2], id + 1);
	h.len = HEADER_BYTES + 4 + id;
	raw_address(&address, argv[1]);
	h.sock = raw_connect(&address, SOCK_STREAM);
	slice_client_run(slice_map(), retrieve, tidy, &h);
}
