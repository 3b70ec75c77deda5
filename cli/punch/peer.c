/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The role peer: one end of an introduction. First it prepares (prepare.h); then it runs
 * the engine, whose signals come and go as lines.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <sodium.h>

#include "../fd.h"
#include "../loop.h"
#include "drive.h"
#include "echo.h"
#include "event.h"
#include "lines.h"
#include "locals.h"
#include "peer_options.h"
#include "prepare.h"
#include "roles.h"
#include "signal_line.h"
#include "udp.h"

struct peer {
	struct peer_options options;
	struct loop loop;
	struct loop_source drive_source, network, signals;
	struct loop_timer end;
	struct lines_in in;
	struct lines_out out;
	struct echo echo;
	struct drive *drive;
	struct prepare prepare;
	struct locals locals;
	bool begun, ended, connected;
	int error;			/* that ended it */
};

static void end(struct peer *p, int error)
{
	p->ended = true;
	p->error = error;
}

/* ---- what is said ---- */

static void say(struct peer *p, const char *line, int len)
{
	if (len < 0)
		complain("an event is lost: %s", strerrordesc_np(-len));
	else
		lines_out_put(&p->out, line, (size_t)len);
	/* nobody is left who would carry a signal */
	if (p->out.fd < 0)
		end(p, 0);
}

static void say_event(struct peer *p, const struct output *o)
{
	struct punch_event event;
	char line[EVENT_LINE_BYTES];

	if (o->len != sizeof event)
		return;
	memcpy(&event, o->bytes, sizeof event);
	say(p, line, event_punch(&event, drive_port(p->drive, event.path.socket), line));
	if (event.kind == PUNCH_CONNECTED)
		p->connected = true;
	if (event.kind == PUNCH_FAILED)
		end(p, 0);
}

static void say_signal(struct peer *p, const struct output *o)
{
	char line[SIGNAL_LINE_BYTES];

	say(p, line, signal_line_put(o->bytes, o->len, line));
}

static void take_all(struct peer *p)
{
	struct output o;

	while (drive_take(p->drive, &o)) {
		if (o.kind == OUTPUT_EVENT)
			say_event(p, &o);
		else
			say_signal(p, &o);
	}
}

/* ---- the engine ---- */

static void drive_ready(struct loop_source *source, uint32_t events)
{
	struct peer *p = container_of(source, struct peer, drive_source);
	int r = drive_step(p->drive);

	(void)events;
	take_all(p);
	if (r < 0)
		end(p, r);
}

static void line_came(struct lines_in *in, const char *line)
{
	struct peer *p = container_of(in, struct peer, in);
	struct signal_line l;

	if (!line || signal_line_get(line, &l) < 0) {
		complain("a line on standard input is neither \"signal …\" nor \"observed IP\"");
		return;
	}
	if (l.kind == LINE_SIGNAL)
		drive_signal(p->drive, l.bytes, l.len);
	else
		drive_observed(p->drive, &l.observed);
	take_all(p);
}

static void network_changed(struct loop_source *source, uint32_t events)
{
	struct peer *p = container_of(source, struct peer, network);
	struct locals now;

	(void)events;
	if (locals_drain(source->fd) < 0) {
		int fd = source->fd;

		loop_remove(&p->loop, source);
		close(fd);
	}
	if (locals_find(&now, drive_port(p->drive, 0), p->options.v4, p->options.v6) < 0 ||
	    locals_equal(&now, &p->locals))
		return;
	p->locals = now;
	if (!p->begun)
		return;
	drive_network(p->drive, now.list, now.n);
	take_all(p);
}

static int begin(struct peer *p)
{
	const struct peer_options *o = &p->options;
	struct punch_config config = {
		.role = o->role,
		.locals = p->locals.list,
		.locals_n = p->locals.n,
		.servers = { o->servers[0], o->servers[1] },
		.relay = o->relay,
		.mapped = p->prepare.mapped.external,
		.nat = p->prepare.nat,
		.low_ports = o->low_ports,
		.relay_only = o->relay_only,
	};
	int r;

	memcpy(config.secret, o->secret, sizeof config.secret);
	if (getrandom(config.seed, sizeof config.seed, 0) != sizeof config.seed)
		return -EIO;
	p->begun = true;
	r = drive_begin(p->drive, &config, echo_data, &p->echo);
	sodium_memzero(config.secret, sizeof config.secret);
	sodium_memzero(config.seed, sizeof config.seed);
	if (r < 0)
		return r;
	if (o->observed.family)
		drive_observed(p->drive, &o->observed);
	take_all(p);
	p->drive_source = (struct loop_source){ .fd = drive_fd(p->drive), .ready = drive_ready };
	r = loop_add(&p->loop, &p->drive_source, EPOLLIN);
	/* what the other end sent before waited there */
	return r < 0 ? r : lines_in_begin(&p->in, &p->loop, STDIN_FILENO, line_came);
}

/* The survey and the router have said what they will. */
static void prepared(struct prepare *prepare)
{
	struct peer *p = container_of(prepare, struct peer, prepare);
	int r;

	if (p->begun || p->ended)
		return;
	r = begin(p);
	if (r < 0)
		end(p, r);
}

static void say_line(struct prepare *prepare, const char *line, int len)
{
	say(container_of(prepare, struct peer, prepare), line, len);
}

/* ---- its life ---- */

static void signal_came(struct loop_source *source, uint32_t events)
{
	struct peer *p = container_of(source, struct peer, signals);

	(void)events;
	end(p, 0);
}

static void time_is_over(struct loop_timer *timer)
{
	end(container_of(timer, struct peer, end), 0);
}

static int watch_signals(struct peer *p)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p->signals.ready = signal_came;
	p->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signals.fd < 0)
		return -errno;
	return loop_add(&p->loop, &p->signals, EPOLLIN);
}

/* Without it roaming is noticed later: nothing to fail for. */
static void watch_network(struct peer *p)
{
	p->network.ready = network_changed;
	p->network.fd = locals_watch();
	if (p->network.fd < 0 || loop_add(&p->loop, &p->network, EPOLLIN) < 0)
		complain("changes of the host's addresses cannot be watched");
}

/* A spray opens some hundred sockets. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void check_low_ports(struct peer *p)
{
	struct address any = { .family = p->options.v4 ? 4 : 6 };
	int fd = p->options.low_ports ? udp_open(&any, OUTPUT_BIND_LOW, NULL) : -1;

	if (p->options.low_ports && fd < 0)
		complain("--low-ports: %s; going on without", strerrordesc_np(-fd));
	p->options.low_ports = fd >= 0;
	closep(&fd);
}

static int start(struct peer *p)
{
	const struct peer_options *o = &p->options;
	int r = loop_init(&p->loop);

	if (r < 0)
		return r;
	lines_out_begin(&p->out, &p->loop, STDOUT_FILENO);
	check_low_ports(p);
	r = drive_new(&p->drive, o->v4, o->v6, o->port);
	if (r == 0)
		r = locals_find(&p->locals, drive_port(p->drive, 0), o->v4, o->v6);
	if (r == 0)
		r = echo_begin(&p->echo, &p->loop, p->drive, o->listen);
	if (r == 0)
		r = watch_signals(p);
	if (r < 0)
		return r;
	watch_network(p);
	if (o->time_ms > 0) {
		p->end.fire = time_is_over;
		loop_arm(&p->loop, &p->end, loop_now_ms() + o->time_ms);
	}
	return prepare_begin(&p->prepare, &p->loop, o, &p->locals, drive_port(p->drive, 0));
}

static void stop(struct peer *p)
{
	struct punch_counters counters;
	char line[EVENT_LINE_BYTES];

	if (p->begun && drive_punch(p->drive)) {
		punch_count(drive_punch(p->drive), &counters);
		say(p, line, event_ended(&counters, line));
	}
	lines_out_end(&p->out);
	echo_end(&p->echo, &p->loop);
	drive_free(p->drive);
	prepare_end(&p->prepare);
	closep(&p->network.fd);
	closep(&p->signals.fd);
	loop_end(&p->loop);
	sodium_memzero(p->options.secret, sizeof p->options.secret);
}

int punch_peer(int argc, char **argv)
{
	struct peer *p;
	int r;

	if (sodium_init() < 0) {
		complain("the kernel gives no randomness");
		return CODE_TEMPORARY;
	}
	p = calloc(1, sizeof *p);
	if (!p)
		return failed(-ENOMEM, "peer");
	p->loop.epoll = p->network.fd = p->signals.fd = p->echo.source.fd = -1;
	prepare_init(&p->prepare, prepared, say_line);
	r = peer_options_get(&p->options, argc, argv);
	if (r != 0) {
		free(p);
		return r - 1;
	}
	raise_limits();
	r = start(p);
	while (r == 0 && !p->ended)
		r = loop_step(&p->loop);
	if (r == 0)
		r = p->error;
	r = r < 0 ? failed(r, "peer") : p->connected ? CODE_OK : CODE_FAILED;
	stop(p);
	free(p);
	return r;
}
