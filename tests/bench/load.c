/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load: one service process and N client processes on one processor, worked in slices.
 *
 *	load [-n CLIENTS] [-c CPU] [-b BROKER_PID]... -- [SERVICE ARGS] -- CLIENT ARGS
 *
 * Prints "ready", then for each line on its standard input, which is a number of seconds,
 * one line of JSON: what the clients did in that time and what it cost. Ends at
 * end-of-file; a worker that dies is an error. It runs itself on any other processor and
 * sleeps meanwhile.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cpu.h"
#include "slice.h"

#define BROKERS_MAX 8
#define HANG_MS 20000		/* longer than any slice or set-up of 10,000 names */

struct load {
	struct slice *slice;
	int fd;
	unsigned int clients, workers;
	pid_t worker[SLICE_CLIENTS_MAX + 1];
	pid_t broker[BROKERS_MAX];
	unsigned int brokers;
	int cpu;
};

struct result {
	uint64_t ops, in_time, span_ns;
	struct cpu_use broker, all;
	double others;		/* share of the processor that went to strangers */
};

static void workers_stop(struct load *load)
{
	for (unsigned int i = 0; i < load->workers; i++)
		kill(load->worker[i], SIGKILL);
	while (wait(NULL) > 0)
		;
}

/* A worker only ends by itself when something went wrong; it has said what. */
static void workers_check(struct load *load)
{
	int status;

	if (waitpid(-1, &status, WNOHANG) <= 0)
		return;
	workers_stop(load);
	errno = 0;
	slice_die("a client or service ended early, with status 0x%x", (unsigned int)status);
}

/* Wait until *word is value. */
static void word_wait(struct load *load, _Atomic uint32_t *word, uint32_t value,
		      const char *what, uint64_t hang_ms)
{
	uint64_t end = slice_now() + hang_ms * 1000000u;
	uint32_t now;

	while ((now = atomic_load(word)) != value) {
		slice_sleep(word, now, 50);
		workers_check(load);
		if (slice_now() > end) {
			workers_stop(load);
			errno = 0;
			slice_die("%s: %u of %u after %" PRIu64 " ms", what, now, value, hang_ms);
		}
	}
}

static void worker_start(struct load *load, char **argv, unsigned int index)
{
	pid_t parent = getpid(), pid = fork();
	char number[16];

	if (pid < 0)
		slice_die("fork");
	if (pid > 0) {
		load->worker[load->workers++] = pid;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (load->cpu >= 0 && cpu_pin(load->cpu) < 0)
		slice_die("cannot run on processor %d", load->cpu);
	if (load->fd != SLICE_FD && dup2(load->fd, SLICE_FD) < 0)
		slice_die("dup2");
	snprintf(number, sizeof(number), "%u", index);
	setenv("SLICE_INDEX", number, 1);
	execv(argv[0], argv);
	slice_die("cannot run %s", argv[0]);
}

static void use_read(const struct load *load, struct cpu_use *broker, struct cpu_use *all)
{
	memset(broker, 0, sizeof(*broker));
	for (unsigned int i = 0; i < load->brokers; i++)
		cpu_add(load->broker[i], broker);
	*all = *broker;
	for (unsigned int i = 0; i < load->workers; i++)
		cpu_add(load->worker[i], all);
}

/* Every operation of the clients must have reached the service. */
static void service_drain(struct load *load, uint64_t target)
{
	struct timespec pause = { 0, 100000 };
	uint64_t end = slice_now() + HANG_MS * 1000000ull;

	while (atomic_load(&load->slice->received) < target) {
		nanosleep(&pause, NULL);
		workers_check(load);
		if (slice_now() > end) {
			uint64_t received = atomic_load(&load->slice->received);

			workers_stop(load);
			errno = 0;
			slice_die("the service received %" PRIu64 " introductions, the clients "
				  "made %" PRIu64, received, target);
		}
	}
}

static void slice_run(struct load *load, double seconds, struct result *ret)
{
	struct slice *s = load->slice;
	struct cpu_use broker, all;
	uint64_t received = atomic_load(&s->received), start, idle;

	for (unsigned int i = 0; i < load->clients; i++)
		memset(&s->client[i], 0, sizeof(s->client[i]));
	memset(ret, 0, sizeof(*ret));
	use_read(load, &broker, &all);
	idle = cpu_idle_ns(load->cpu);
	atomic_store(&s->finished, 0);
	start = slice_now();
	ret->span_ns = (uint64_t)(seconds * 1e9);
	s->deadline_ns = start + ret->span_ns;
	atomic_fetch_add(&s->round, 1);
	slice_wake(&s->round);
	word_wait(load, &s->finished, load->clients, "clients finished",
		  HANG_MS + ret->span_ns / 1000000u);
	for (unsigned int i = 0; i < load->clients; i++) {
		ret->ops += s->client[i].ops;
		ret->in_time += s->client[i].in_time;
	}
	if (atomic_load(&s->counting))
		service_drain(load, received + ret->ops);
	use_read(load, &ret->broker, &ret->all);
	ret->broker.run_ns -= broker.run_ns;
	ret->broker.turns -= broker.turns;
	ret->all.run_ns -= all.run_ns;
	ret->others = 1 - (double)(ret->all.run_ns + cpu_idle_ns(load->cpu) - idle) /
			  (double)(slice_now() - start);
}

/* The latency, in ns, that a share of the operations stayed below. */
static uint64_t percentile(const struct load *load, uint64_t ops, double share)
{
	uint64_t rank = (uint64_t)((double)ops * share), seen = 0;

	for (unsigned int b = 0; b < SLICE_BUCKETS; b++) {
		for (unsigned int i = 0; i < load->clients; i++)
			seen += load->slice->client[i].hist[b];
		if (seen > rank)
			return slice_bucket_ns(b);
	}
	return 0;
}

static void result_print(const struct load *load, const struct result *r)
{
	double ops = r->ops ? (double)r->ops : 1;

	printf("{\"ops\": %" PRIu64 ", \"rate\": %.1f, \"p50_us\": %.3f, \"p99_us\": %.3f, "
	       "\"broker_us\": %.4f, \"total_us\": %.4f, \"broker_turns\": %" PRIu64 ", "
	       "\"others\": %.3f}\n",
	       r->ops, (double)r->in_time * 1e9 / (double)r->span_ns,
	       (double)percentile(load, r->ops, .5) / 1e3,
	       (double)percentile(load, r->ops, .99) / 1e3,
	       (double)r->broker.run_ns / ops / 1e3, (double)r->all.run_ns / ops / 1e3,
	       r->broker.turns, r->others);
	fflush(stdout);
}

static void usage(void)
{
	fputs("usage: load [-n CLIENTS] [-c CPU] [-b PID]... -- [SERVICE ARGS] -- CLIENT ARGS\n",
	      stderr);
	exit(100);
}

static void options_read(struct load *load, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "+n:c:b:")) != -1) {
		long value = optarg ? strtol(optarg, NULL, 10) : 0;

		if (opt == 'n' && value > 0 && value <= (long)SLICE_CLIENTS_MAX)
			load->clients = (unsigned int)value;
		else if (opt == 'c')
			load->cpu = (int)value;
		else if (opt == 'b' && load->brokers < BROKERS_MAX)
			load->broker[load->brokers++] = (pid_t)value;
		else
			usage();
	}
}

/* Start the service, then the clients: what stands on both sides of "--". */
static void workers_start(struct load *load, char **argv)
{
	char **client = argv;

	while (*client && strcmp(*client, "--"))
		client++;
	if (!*client || !client[1])
		usage();
	*client++ = NULL;
	if (argv[0]) {
		worker_start(load, argv, 0);
		word_wait(load, &load->slice->ready, 1, "service ready", HANG_MS);
	}
	for (unsigned int i = 0; i < load->clients; i++)
		worker_start(load, client, i);
	word_wait(load, &load->slice->ready, load->workers, "clients ready", HANG_MS);
}

int main(int argc, char **argv)
{
	struct load load = { .clients = 1, .cpu = -1 };
	struct result result;
	char line[64];

	options_read(&load, argc, argv);
	load.fd = memfd_create("slice", 0);
	if (load.fd < 0 || ftruncate(load.fd, sizeof(struct slice)) < 0)
		slice_die("memfd_create");
	load.slice = mmap(NULL, sizeof(struct slice), PROT_READ | PROT_WRITE, MAP_SHARED, load.fd,
			  0);
	if (load.slice == MAP_FAILED)
		slice_die("mmap");
	workers_start(&load, argv + optind);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		slice_run(&load, strtod(line, NULL), &result);
		result_print(&load, &result);
	}
	workers_stop(&load);
	return 0;
}
