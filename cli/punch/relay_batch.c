/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The batch of relay_batch.h. Pieces that go the same way hang in a list on one letter; their
 * places are written side by side only when all of them are known.
 */
#include "relay_batch.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PIECES_MAX 1024u
#define COPIES_MAX 64u

/* What the kernel takes in one go: UDP_MAX_SEGMENTS (64 up to Linux 6.8), and the longest IPv4
 * datagram. */
#define SEGMENTS_MAX 64u
#define LETTER_BYTES_MAX 65000u

/* Lanes are remembered here by their last bits, for one batch. Two that share a place only make
 * more letters. */
#define LANES 1024u
#define LANE_NONE UINT32_MAX

struct piece {
	struct iovec iov;
	uint32_t next;			/* + 1; 0: none */
};

struct letter {
	struct sockaddr_storage to;
	socklen_t to_len;
	unsigned int socket;
	uint32_t first, last;		/* pieces */
	unsigned int pieces, segments;
	size_t bytes, segment;
	bool closed;			/* its last datagram is a shorter one */
};

union segment_control {
	char buf[CMSG_SPACE(sizeof(uint16_t))];
	struct cmsghdr align;
};

struct relay_batch {
	const int *fds;
	uint64_t lost;
	uint32_t round;
	unsigned int pieces_n, letters_n, copies_n;
	struct {
		uint32_t lane, round, letter;
	} lanes[LANES];
	struct piece pieces[PIECES_MAX];
	struct letter letters[PIECES_MAX];
	struct iovec iov[PIECES_MAX];
	struct mmsghdr messages[PIECES_MAX];
	union segment_control controls[PIECES_MAX];
	uint8_t copies[COPIES_MAX][RELAY_BATCH_COPY];
};

int relay_batch_new(struct relay_batch **ret, const int *fds)
{
	struct relay_batch *b = calloc(1, sizeof *b);

	if (!b)
		return -ENOMEM;
	b->fds = fds;
	b->round = 1;
	*ret = b;
	return 0;
}

void relay_batch_free(struct relay_batch *b)
{
	free(b);
}

uint64_t relay_batch_lost(const struct relay_batch *b)
{
	return b->lost;
}

static bool fits(const struct letter *l, unsigned int socket, size_t len, size_t segment,
		 unsigned int segments)
{
	/* a train goes behind datagrams of its own size only, a single one may be shorter */
	return l->socket == socket && !l->closed && l->segments + segments <= SEGMENTS_MAX &&
	       l->bytes + len <= LETTER_BYTES_MAX &&
	       (segment == l->segment || (segments == 1 && len < l->segment));
}

static struct letter *letter_new(struct relay_batch *b, unsigned int socket,
				 const struct address *to, size_t segment)
{
	struct letter *l = &b->letters[b->letters_n++];

	l->socket = socket;
	l->to_len = address_to_sockaddr(to, &l->to);
	l->pieces = 0;
	l->segments = 0;
	l->bytes = 0;
	l->segment = segment;
	l->closed = false;
	return l;
}

static void letter_add(struct relay_batch *b, struct letter *l, const void *bytes, size_t len,
		       unsigned int segments)
{
	uint32_t at = b->pieces_n++;

	b->pieces[at] = (struct piece){ .iov = { (void *)(uintptr_t)bytes, len } };
	if (l->pieces++ == 0)
		l->first = at;
	else
		b->pieces[l->last].next = at + 1;
	l->last = at;
	l->bytes += len;
	l->segments += segments;
	l->closed = l->bytes != l->segments * l->segment;
}

/* What fits into one letter. */
static void add(struct relay_batch *b, unsigned int socket, uint32_t lane,
		const struct address *to, const void *bytes, size_t len, size_t segment)
{
	unsigned int segments = (unsigned int)((len + segment - 1) / segment);
	struct letter *l;

	if (b->pieces_n == PIECES_MAX)
		relay_batch_flush(b);
	if (lane != LANE_NONE && b->lanes[lane % LANES].round == b->round &&
	    b->lanes[lane % LANES].lane == lane) {
		l = &b->letters[b->lanes[lane % LANES].letter];
		if (fits(l, socket, len, segment, segments)) {
			letter_add(b, l, bytes, len, segments);
			return;
		}
	}
	l = letter_new(b, socket, to, segment);
	if (lane != LANE_NONE) {
		b->lanes[lane % LANES].lane = lane;
		b->lanes[lane % LANES].round = b->round;
		b->lanes[lane % LANES].letter = (uint32_t)(l - b->letters);
	}
	letter_add(b, l, bytes, len, segments);
}

void relay_batch_add(struct relay_batch *b, unsigned int socket, uint32_t lane,
		     const struct address *to, const void *bytes, size_t len, size_t segment)
{
	size_t most = LETTER_BYTES_MAX / segment, at = 0;

	most = (most < 1 ? 1 : most > SEGMENTS_MAX ? SEGMENTS_MAX : most) * segment;
	while (at < len) {
		size_t part = len - at < most ? len - at : most;

		add(b, socket, lane, to, (const uint8_t *)bytes + at, part,
		    segment < part ? segment : part);
		at += part;
	}
}

void relay_batch_copy(struct relay_batch *b, unsigned int socket, const struct address *to,
		      const void *bytes, size_t len)
{
	if (len > RELAY_BATCH_COPY)
		return;
	if (b->copies_n == COPIES_MAX || b->pieces_n == PIECES_MAX)
		relay_batch_flush(b);
	memcpy(b->copies[b->copies_n], bytes, len);
	add(b, socket, LANE_NONE, to, b->copies[b->copies_n++], len, len);
}

static void set_segment(struct msghdr *m, union segment_control *control, size_t segment)
{
	uint16_t bytes = (uint16_t)segment;
	struct cmsghdr *c;

	m->msg_control = control->buf;
	m->msg_controllen = sizeof control->buf;
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof bytes);
	memcpy(CMSG_DATA(c), &bytes, sizeof bytes);
}

static void make_messages(struct relay_batch *b)
{
	struct iovec *iov = b->iov;

	for (unsigned int i = 0; i < b->letters_n; i++) {
		struct letter *l = &b->letters[i];
		struct msghdr *m = &b->messages[i].msg_hdr;
		uint32_t at = l->first;

		*m = (struct msghdr){
			.msg_name = &l->to,
			.msg_namelen = l->to_len,
			.msg_iov = iov,
			.msg_iovlen = l->pieces,
		};
		for (unsigned int n = 0; n < l->pieces; n++) {
			*iov++ = b->pieces[at].iov;
			at = b->pieces[at].next - 1;
		}
		if (l->segments > 1)
			set_segment(m, &b->controls[i], l->segment);
	}
}

/* The kernel does not cut this letter (an interface without checksums, a segment that does not
 * fit the path): one datagram after the other. */
static void send_each(struct relay_batch *b, const struct letter *l)
{
	uint32_t at = l->first;

	for (unsigned int n = 0; n < l->pieces; n++) {
		const uint8_t *p = b->pieces[at].iov.iov_base;
		size_t left = b->pieces[at].iov.iov_len;

		at = b->pieces[at].next - 1;
		while (left > 0) {
			size_t len = left < l->segment ? left : l->segment;

			if (sendto(b->fds[l->socket], p, len, MSG_DONTWAIT,
				   (const struct sockaddr *)&l->to, l->to_len) < 0)
				b->lost++;
			p += len;
			left -= len;
		}
	}
}

/* Letters from first to last go from one socket. */
static void send_letters(struct relay_batch *b, unsigned int first, unsigned int last)
{
	while (first < last) {
		const struct letter *l = &b->letters[first];
		int n = sendmmsg(b->fds[l->socket], b->messages + first, last - first,
				 MSG_DONTWAIT);

		if (n > 0) {
			first += (unsigned int)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		/* the first one was not taken; what stands behind it may go */
		if (l->segments > 1 && (errno == EINVAL || errno == EMSGSIZE || errno == EIO))
			send_each(b, l);
		else
			b->lost += l->segments;
		first++;
	}
}

void relay_batch_flush(struct relay_batch *b)
{
	unsigned int first = 0;

	make_messages(b);
	for (unsigned int i = 1; i <= b->letters_n; i++) {
		if (i == b->letters_n || b->letters[i].socket != b->letters[first].socket) {
			send_letters(b, first, i);
			first = i;
		}
	}
	b->letters_n = 0;
	b->pieces_n = 0;
	b->copies_n = 0;
	b->round++;
}
