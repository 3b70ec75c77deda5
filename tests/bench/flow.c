/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow: what a connected socket carries, once it is there. A writer and a reader process
 * on one processor, over
 *
 *	flow [-c CPU] [-b PID]... bare			a socketpair of their own
 *	flow ... intro CLIENT_SOCKET SERVICE_SOCKET	a pair that a broker introduced
 *	flow ... relay PATH SERVER_PATH			a connection to PATH, which a relay takes
 *							on to SERVER_PATH, where we listen
 *
 * For each line "stream BYTES" or "ping COUNT" on standard input it opens the socket
 * anew, moves that many bytes one way in blocks of 64 KiB, or that many times 64 bytes
 * there and back, and prints a line of JSON with the seconds and what the brokers used
 * meanwhile.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cpu.h"
#include "raw.h"

#define BLOCK_BYTES 65536u
#define PING_BYTES 64u
#define BROKERS_MAX 8

struct flow {
	char **source;		/* the arguments from "bare", "intro" or "relay" on */
	int service;		/* our connection as the service; or our listener */
	int cpu;
	pid_t broker[BROKERS_MAX];
	unsigned int brokers;
};

static void packet_named(int sock, enum wire_type type, uint32_t ref, bool call)
{
	struct wire_writer w;
	uint8_t buf[128];

	wire_begin(&w, buf, sizeof(buf), (uint16_t)type, 1, ref, 0);
	wire_put_string(&w, TAG_NAME, RAW_NAME);
	if (type == WIRE_CONNECT)
		wire_put_u32(&w, TAG_SOCKTYPE, SOCK_STREAM);
	else
		wire_put_u32(&w, TAG_WAY, WAY_PAIR);
	if (call)
		raw_call(sock, buf, (size_t)wire_finish(&w), -1);
	else
		raw_send(sock, buf, (size_t)wire_finish(&w), -1);
}

static int take_fd(int sock)
{
	uint8_t buf[WIRE_PACKET_MAX];
	size_t nfds = 0;
	int fd = -1;

	raw_recv(sock, buf, sizeof(buf), &fd, 1, &nfds);
	if (nfds != 1) {
		errno = 0;
		slice_die("not introduced");
	}
	return fd;
}

/* Both ends of one introduced pair. */
static void open_intro(struct flow *f, int pair[2])
{
	struct sockaddr_un address;
	int client;

	raw_address(&address, f->source[1]);
	client = raw_connect(&address, SOCK_SEQPACKET);
	packet_named(client, WIRE_CONNECT, 0, false);
	pair[0] = take_fd(client);
	pair[1] = take_fd(f->service);
	close(client);
}

static void open_relay(struct flow *f, int pair[2])
{
	struct sockaddr_un address;

	raw_address(&address, f->source[1]);
	pair[0] = raw_connect(&address, SOCK_STREAM);
	pair[1] = accept4(f->service, NULL, NULL, SOCK_CLOEXEC);
	if (pair[1] < 0)
		slice_die("accept");
}

static void flow_open(struct flow *f, int pair[2])
{
	if (!strcmp(f->source[0], "intro"))
		open_intro(f, pair);
	else if (!strcmp(f->source[0], "relay"))
		open_relay(f, pair);
	else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		slice_die("socketpair");
}

static void move(int fd, bool sending, uint64_t bytes, size_t block)
{
	static char buf[BLOCK_BYTES];

	while (bytes > 0) {
		size_t want = bytes < block ? (size_t)bytes : block;
		ssize_t n = sending ? send(fd, buf, want, MSG_NOSIGNAL) : recv(fd, buf, want, 0);

		if (n <= 0)
			slice_die(sending ? "sending payload" : "receiving payload");
		bytes -= (uint64_t)n;
	}
}

/* The far process: takes the stream, then says so by one byte; or answers each ping. */
__attribute__((noreturn))
static void far_end(int fd, bool ping, uint64_t amount)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	move(fd, false, PING_BYTES, PING_BYTES);
	move(fd, true, PING_BYTES, PING_BYTES);
	for (uint64_t i = 0; ping && i < amount; i++) {
		move(fd, false, PING_BYTES, PING_BYTES);
		move(fd, true, PING_BYTES, PING_BYTES);
	}
	if (!ping) {
		move(fd, false, amount, BLOCK_BYTES);
		move(fd, true, 1, 1);
	}
	_exit(0);
}

static void near_end(int fd, bool ping, uint64_t amount)
{
	for (uint64_t i = 0; ping && i < amount; i++) {
		move(fd, true, PING_BYTES, PING_BYTES);
		move(fd, false, PING_BYTES, PING_BYTES);
	}
	if (!ping) {
		move(fd, true, amount, BLOCK_BYTES);
		move(fd, false, 1, 1);
	}
}

static void use_read(const struct flow *f, struct cpu_use *use)
{
	memset(use, 0, sizeof(*use));
	for (unsigned int i = 0; i < f->brokers; i++)
		cpu_add(f->broker[i], use);
}

static void run(struct flow *f, bool ping, uint64_t amount)
{
	struct cpu_use before, after;
	uint64_t start, end;
	int pair[2], status;
	pid_t far;

	flow_open(f, pair);
	far = fork();
	if (far < 0)
		slice_die("fork");
	if (far == 0) {
		close(pair[0]);
		far_end(pair[1], ping, amount);
	}
	close(pair[1]);
	near_end(pair[0], true, 1); /* both are running, and the broker is at rest */
	use_read(f, &before);
	start = slice_now();
	near_end(pair[0], ping, amount);
	end = slice_now();
	use_read(f, &after);
	if (waitpid(far, &status, 0) < 0 || status)
		slice_die("the far end failed");
	close(pair[0]);
	printf("{\"seconds\": %.9f, \"broker_seconds\": %.9f, \"broker_turns\": %" PRIu64 "}\n",
	       (double)(end - start) / 1e9, (double)(after.run_ns - before.run_ns) / 1e9,
	       after.turns - before.turns);
	fflush(stdout);
}

static void usage(void)
{
	fputs("usage: flow [-c CPU] [-b PID]... bare | intro CLIENT_SOCKET SERVICE_SOCKET |\n"
	      "            relay PATH SERVER_PATH\n", stderr);
	exit(100);
}

static void options_read(struct flow *f, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "+c:b:")) != -1) {
		long value = optarg ? strtol(optarg, NULL, 10) : 0;

		if (opt == 'c')
			f->cpu = (int)value;
		else if (opt == 'b' && f->brokers < BROKERS_MAX)
			f->broker[f->brokers++] = (pid_t)value;
		else
			usage();
	}
	f->source = argv + optind;
	if (!f->source[0] || (strcmp(f->source[0], "bare") && argc - optind != 3))
		usage();
}

int main(int argc, char **argv)
{
	struct flow f = { .cpu = -1 };
	struct sockaddr_un address;
	unsigned long long amount;
	char line[64], what[16];

	options_read(&f, argc, argv);
	if (f.cpu >= 0 && cpu_pin(f.cpu) < 0)
		slice_die("cannot run on processor %d", f.cpu);
	if (!strcmp(f.source[0], "intro")) {
		raw_address(&address, f.source[2]);
		f.service = raw_connect(&address, SOCK_SEQPACKET);
		packet_named(f.service, WIRE_SERVE, 1, true);
	} else if (!strcmp(f.source[0], "relay")) {
		f.service = raw_listen(f.source[2], SOCK_STREAM);
	}
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%15s %llu", what, &amount) != 2)
			usage();
		run(&f, !strcmp(what, "ping"), amount);
	}
	return 0;
}
