/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client with every kind of request under way, and a broker that answers with the fuzzer's
 * packets: whatever they say, no memory is touched that should not be, and every descriptor
 * that came is closed in the end.
 *
 * Input: packets of { u8 descriptors, u8 length, bytes }; then the events are taken.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "../../libintro/wire/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The lowest free descriptor, which is where it was unless one leaked. */
static int lowest_fd(void)
{
	int fd = dup(STDERR_FILENO);

	if (fd < 0)
		abort();
	close(fd);
	return fd;
}

/* The broker's end of the one connection that libintro makes over "fd:N". */
static int broker_end(int shared)
{
	uint8_t packet[WIRE_PACKET_MAX];
	size_t nfds = 0;
	int fd = -1;

	if (packet_recv(shared, packet, &fd, 1, &nfds) <= 0 || nfds != 1)
		abort();
	return fd;
}

static void ask_everything(struct intro *in)
{
	static const struct intro_service fetch = { .fetch = 1, .batch = 16 };
	struct intro_ref *found, *served, *fetched;

	if (intro_find(in, "db", &found) < 0 || intro_serve(in, "web", NULL, &served) < 0 ||
	    intro_serve(in, "log", &fetch, &fetched) < 0 ||
	    intro_connect(found, SOCK_STREAM, -1) < 0 || intro_take(in, "held") < 0 ||
	    intro_hold(in, "more", STDERR_FILENO) < 0 || intro_listeners(served) < 0 ||
	    intro_attest(in, 1) < 0)
		abort();
}

static void take_events(struct intro *in)
{
	struct intro_event ev;

	intro_dispatch(in);
	while (intro_next(in, &ev) > 0) {
		if (ev.what == INTRO_FETCH)
			intro_answer(in, ev.request, STDERR_FILENO);
		if (ev.what == INTRO_BROKEN)
			intro_unref(ev.ref);
		if (ev.fd >= 0)
			close(ev.fd);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int sent[16] = { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 };
	int before = lowest_fd(), pair[2], peer;
	const uint8_t *end = data + size;
	struct intro *in;
	char door[32];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	snprintf(door, sizeof door, "fd:%d", pair[0]);
	if (intro_open(&in, door) < 0)
		abort();
	peer = broker_end(pair[1]);
	/* When this connection ends there is no other. */
	close(pair[1]);
	ask_everything(in);

	while (end - data > 2) {
		size_t nfds = data[0] % 17, len = data[1];

		data += 2;
		if (len > (size_t)(end - data))
			len = (size_t)(end - data);
		if (len == 0 || packet_send(peer, data, len, sent, nfds) < 0)
			break;
		data += len;
		take_events(in);
	}
	intro_close(in);
	close(peer);
	close(pair[0]);
	if (lowest_fd() != before)
		abort();
	return 0;
}
