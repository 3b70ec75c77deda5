/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay_load: what a relay forwards. Both ends of many flows in one process and on one processor.
 *
 *	relay_load [-c CPU] [-n FLOWS] [-t TRAIN] [-w WINDOW] [-s BYTES] MODE SERVER PORT PID
 *
 * MODE is ours (both ends are legs of a session), channel or send (one end is a TURN client, the
 * other one its peer). Each flow has IP addresses of its own at both ends, out of 127/8, so that
 * to the server it is as from and to so many hosts, while here two sockets serve them all. The
 * flows take turns, TRAIN datagrams (one system message) each; no more than WINDOW datagrams are
 * under way, so that what is received was not lost on the way. Prints "ready", then for each
 * line SECONDS on standard input a line of JSON: seconds, datagrams sent and received, and the
 * processor time of the server PID.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdnoreturn.h>
#include <sys/socket.h>
#include <time.h>

#include "../../libintro/punch/relay_wire.h"
#include "cpu.h"
#include "turn.h"

#define FLOWS_MAX 4096u
#define BATCH 64u
#define TRAIN_BYTES_MAX 65000u
#define STALLED_MS 50	/* nothing came for so long: what is under way is lost */
#define TRIES 50

enum mode { MODE_OURS, MODE_CHANNEL, MODE_SEND };

struct load {
	enum mode mode;
	unsigned int flows, train, window, payload;
	pid_t pid;
	struct sockaddr_in server;
	int ends[2];			/* the senders' socket, and the receivers' */
	in_port_t ports[2];
	size_t header, arriving;	/* bytes: of a sent header, of a received datagram */
	uint8_t *trains;		/* of each flow, TRAIN datagrams */
	unsigned int next;
	uint64_t sent, received, strange;
};

union control {
	char buf[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
	struct cmsghdr align;
};

static noreturn void die(const char *what)
{
	fprintf(stderr, "relay_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_in address_of(const struct load *l, unsigned int end, uint32_t flow)
{
	uint32_t ip = 127u << 24 | (end + 1) << 16 | (flow / 250) << 8 | (flow % 250 + 1);

	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = l->ports[end],
				     .sin_addr.s_addr = htonl(ip) };
}

/* Without a source address the message would go from one address for all flows. */
static void set_control(struct msghdr *m, union control *control, in_addr_t source,
			size_t segment)
{
	struct in_pktinfo info = { .ipi_spec_dst.s_addr = source };
	uint16_t bytes = (uint16_t)segment;
	struct cmsghdr *c;

	memset(control, 0, sizeof *control);
	m->msg_control = control->buf;
	m->msg_controllen = segment > 0 ? sizeof control->buf : CMSG_SPACE(sizeof info);
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof info);
	memcpy(CMSG_DATA(c), &info, sizeof info);
	if (segment == 0)
		return;
	c = CMSG_NXTHDR(m, c);
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof bytes);
	memcpy(CMSG_DATA(c), &bytes, sizeof bytes);
}

static void send_one(struct load *l, unsigned int end, uint32_t flow, void *bytes, size_t len)
{
	struct iovec iov = { bytes, len };
	union control control;
	struct msghdr m = { .msg_name = &l->server, .msg_namelen = sizeof l->server,
			    .msg_iov = &iov, .msg_iovlen = 1 };

	set_control(&m, &control, address_of(l, end, flow).sin_addr.s_addr, 0);
	if (sendmsg(l->ends[end], &m, 0) < 0)
		die("sendmsg");
}

/* ---- flows ---- */

static void session_of(uint32_t flow, uint8_t ret[static RELAY_SESSION_BYTES])
{
	memset(ret, 0x5a, RELAY_SESSION_BYTES);
	turn_u32(ret, flow);
}

struct answers {
	uint8_t cookies[FLOWS_MAX][RELAY_COOKIE_BYTES];
	bool got[FLOWS_MAX];
};

static bool take_answer(struct load *l, struct answers *a, int type, const uint8_t *p,
			size_t len)
{
	struct relay_message m;
	uint32_t flow;

	if (l->mode != MODE_OURS) {
		if (!turn_answer(p, len, (enum turn_type)type, &flow) || flow >= l->flows)
			return false;
	} else {
		if (relay_parse(p, len, &m) < 0 ||
		    (int)m.type != (type == RELAY_HELLO ? RELAY_COOKIE : RELAY_BOUND))
			return false;
		memcpy(&flow, m.nonce, sizeof flow);
		if (flow >= l->flows)
			return false;
		memcpy(a->cookies[flow], m.cookie, sizeof m.cookie);
	}
	if (a->got[flow])
		return false;
	a->got[flow] = true;
	return true;
}

static void ask(struct load *l, const struct answers *a, unsigned int end, int type,
		uint32_t flow)
{
	struct relay_message m = { .type = (enum relay_type)type };
	struct turn_message t;
	struct sockaddr_in peer = address_of(l, 1, flow);
	uint8_t bytes[RELAY_CONTROL_BYTES];

	if (l->mode != MODE_OURS) {
		turn_request(&t, (enum turn_type)type, flow, &peer);
		send_one(l, end, flow, t.bytes, t.used);
		return;
	}
	memcpy(m.nonce, &flow, sizeof flow);
	m.nonce[7] = (uint8_t)end;
	session_of(flow, m.session);
	memcpy(m.cookie, a->cookies[flow], sizeof m.cookie);
	send_one(l, end, flow, bytes, relay_put(&m, bytes));
}

/* Each flow's request of this type is answered when this returns. */
static void ask_all(struct load *l, struct answers *a, unsigned int end, int type)
{
	unsigned int left = l->flows;

	memset(a->got, 0, sizeof a->got);
	for (int try = 0; try < TRIES && left > 0; try++) {
		unsigned int burst = 0;

		for (uint32_t flow = 0; flow < l->flows && burst < BATCH; flow++) {
			if (!a->got[flow]) {
				ask(l, a, end, type, flow);
				burst++;
			}
		}
		for (;;) {
			struct pollfd p = { .fd = l->ends[end], .events = POLLIN };
			uint8_t bytes[2048];
			ssize_t n;

			if (burst == 0 || poll(&p, 1, 200) <= 0)
				break;
			n = recv(l->ends[end], bytes, sizeof bytes, MSG_DONTWAIT);
			if (n > 0 && take_answer(l, a, type, bytes, (size_t)n)) {
				left--;
				burst--;
				try = 0;
			}
		}
	}
	errno = ETIMEDOUT;
	if (left > 0)
		die("the server does not answer");
}

/* Bindings and permissions have lifetimes: before each slice. */
static void renew(struct load *l)
{
	static struct answers a;

	if (l->mode != MODE_OURS) {
		ask_all(l, &a, 0, l->mode == MODE_CHANNEL ? TURN_BIND : TURN_PERMIT);
		return;
	}
	for (unsigned int end = 0; end < 2; end++) {
		ask_all(l, &a, end, RELAY_HELLO);
		ask_all(l, &a, end, RELAY_BIND);
	}
}

static void make_trains(struct load *l)
{
	size_t size = l->header + l->payload, train = size * l->train;

	l->trains = calloc(l->flows, train);
	if (!l->trains)
		die("memory");
	for (uint32_t flow = 0; flow < l->flows; flow++) {
		struct sockaddr_in peer = address_of(l, 1, flow);

		for (unsigned int i = 0; i < l->train; i++) {
			uint8_t *p = l->trains + flow * train + i * size;
			uint8_t session[RELAY_SESSION_BYTES];

			session_of(flow, session);
			if (l->mode == MODE_OURS)
				relay_put_header(session, p);
			else if (l->mode == MODE_CHANNEL)
				turn_put_channel_header(p, (uint16_t)l->payload);
			else
				turn_put_send_header(p, flow, &peer, (uint16_t)l->payload);
			memset(p + l->header, 0xaa, l->payload);
		}
	}
}

static void open_ends(struct load *l)
{
	for (unsigned int end = 0; end < 2; end++) {
		struct sockaddr_in sa = { .sin_family = AF_INET };
		socklen_t len = sizeof sa;
		int one = 1, bytes = 8 << 20;

		l->ends[end] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (l->ends[end] < 0 || bind(l->ends[end], (struct sockaddr *)&sa, len) < 0 ||
		    getsockname(l->ends[end], (struct sockaddr *)&sa, &len) < 0)
			die("socket");
		l->ports[end] = sa.sin_port;
		setsockopt(l->ends[end], SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
		if (end == 1 &&
		    setsockopt(l->ends[end], SOL_UDP, UDP_GRO, &one, sizeof one) < 0)
			die("UDP_GRO");
	}
}

/* ---- the load ---- */

/* One system call's worth; less where the window is nearly full. */
static void send_some(struct load *l)
{
	static struct mmsghdr messages[BATCH];
	static union control controls[BATCH];
	static struct iovec iov[BATCH];
	size_t size = l->header + l->payload, train = size * l->train;
	uint64_t room = l->window - (l->sent - l->received);
	unsigned int n = 0;

	while (n < BATCH && (n + 1) * l->train <= room) {
		struct msghdr *m = &messages[n].msg_hdr;

		iov[n] = (struct iovec){ l->trains + l->next * train, train };
		*m = (struct msghdr){ .msg_name = &l->server, .msg_namelen = sizeof l->server,
				      .msg_iov = &iov[n], .msg_iovlen = 1 };
		set_control(m, &controls[n], address_of(l, 0, l->next).sin_addr.s_addr,
			    l->train > 1 ? size : 0);
		l->next = (l->next + 1) % l->flows;
		n++;
	}
	if (n > 0 && sendmmsg(l->ends[0], messages, n, 0) != (int)n)
		die("sendmmsg");
	l->sent += n * l->train;
}

static size_t segment_of(struct msghdr *m, size_t len)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int segment;

		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&segment, CMSG_DATA(c), sizeof segment);
		return (size_t)segment;
	}
	return len;
}

/* What is there: its number of datagrams. */
static unsigned int receive_some(struct load *l)
{
	static uint8_t bytes[BATCH][65536 + 4096 + 320];
	static union control controls[BATCH];
	static struct mmsghdr messages[BATCH];
	static struct iovec iov[BATCH];
	unsigned int got = 0;
	int n;

	for (unsigned int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ bytes[i], 65536 };
		messages[i].msg_hdr = (struct msghdr){
			.msg_iov = &iov[i], .msg_iovlen = 1,
			.msg_control = controls[i].buf, .msg_controllen = sizeof controls[i],
		};
	}
	n = recvmmsg(l->ends[1], messages, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		size_t len = messages[i].msg_len;
		size_t segment = segment_of(&messages[i].msg_hdr, len);

		if (segment != l->arriving || len % segment != 0 || bytes[i][len - 1] != 0xaa)
			l->strange++;
		else
			got += (unsigned int)(len / segment);
	}
	l->received += got;
	return got;
}

static void slice(struct load *l, double seconds)
{
	struct cpu_use before = { 0 }, after = { 0 };
	double begin, end, lost = 0;
	uint64_t sent, received;

	renew(l);
	while (receive_some(l) > 0)
		;
	l->sent = l->received;
	sent = l->sent;
	received = l->received;
	cpu_add(l->pid, &before);
	begin = now_s();
	do {
		struct pollfd p = { .fd = l->ends[1], .events = POLLIN };

		send_some(l);
		if (receive_some(l) == 0 && l->window - (l->sent - l->received) < l->train &&
		    poll(&p, 1, STALLED_MS) == 0) {
			lost += (double)(l->sent - l->received);
			l->received = l->sent;
		}
		end = now_s();
	} while (end - begin < seconds);
	cpu_add(l->pid, &after);
	printf("{\"seconds\": %.6f, \"sent\": %" PRIu64 ", \"received\": %.0f, \"lost\": %.0f, "
	       "\"strange\": %" PRIu64 ", \"cpu\": %.6f}\n", end - begin, l->sent - sent,
	       (double)(l->received - received) - lost, lost, l->strange,
	       (double)(after.run_ns - before.run_ns) / 1e9);
	fflush(stdout);
}

static void parse(struct load *l, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "c:n:t:w:s:")) != -1) {
		unsigned int value = optarg ? (unsigned int)strtoul(optarg, NULL, 10) : 0;

		if (c == 'c')
			cpu_pin((int)value);
		else if (c == 'n')
			l->flows = value;
		else if (c == 't')
			l->train = value;
		else if (c == 'w')
			l->window = value;
		else if (c == 's')
			l->payload = value;
		else
			exit(100);
	}
	if (argc - optind != 4 || l->flows == 0 || l->flows > FLOWS_MAX || l->train == 0)
		exit(100);
	argv += optind;
	l->mode = strcmp(argv[0], "ours") == 0 ? MODE_OURS :
		  strcmp(argv[0], "channel") == 0 ? MODE_CHANNEL : MODE_SEND;
	l->server.sin_family = AF_INET;
	inet_pton(AF_INET, argv[1], &l->server.sin_addr);
	l->server.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	l->pid = (pid_t)strtol(argv[3], NULL, 10);
	l->header = l->mode == MODE_OURS ? RELAY_HEADER_BYTES : l->mode == MODE_CHANNEL ? 4 : 36;
	l->arriving = l->payload + (l->mode == MODE_OURS ? RELAY_HEADER_BYTES : 0);
	if ((l->header + l->payload) * l->train > TRAIN_BYTES_MAX || l->window < l->train)
		exit(100);
}

int main(int argc, char **argv)
{
	static struct load l = { .flows = 1, .train = 1, .window = 256, .payload = 1200 };
	static struct answers a;
	char line[64];

	parse(&l, argc, argv);
	open_ends(&l);
	make_trains(&l);
	if (l.mode != MODE_OURS)
		ask_all(&l, &a, 0, TURN_ALLOCATE);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin))
		slice(&l, strtod(line, NULL));
	return 0;
}
