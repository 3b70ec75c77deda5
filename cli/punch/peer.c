/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The role peer: one end of an introduction. First what our NATs are like and a port of the
 * router's, beside each other; then the engine, whose signals come and go as lines.
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
#include "look.h"
#include "mapping.h"
#include "peer_options.h"
#include "roles.h"
#include "signal_line.h"
#include "udp.h"

#define SURVEY_LIMIT_US 1800000u	/* survey.h: "under 2 s" */
#define PATIENCE_MS 2000		/* with a router that gives no port */

struct peer {
	struct peer_options options;
	struct loop loop;
	struct loop_source drive_source, look_source, mapping_source, network, signals;
	struct loop_timer patience, end;
	struct lines_in in;
	struct lines_out out;
	struct echo echo;
	struct drive *drive;
	struct look *look;
	struct mapping mapping;
	struct mapping_result mapped;
	struct locals locals;
	struct nat nat;
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
		.mapped = p->mapped.external,
		.nat = p->nat,
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

/* ---- before the engine ---- */

/* Once both have ended, one way or the other. */
static void begin_if_ready(struct peer *p)
{
	int r;

	if (p->begun || p->ended || p->look || p->patience.due_ms != 0)
		return;
	r = begin(p);
	if (r < 0)
		end(p, r);
}

static void look_ready(struct loop_source *source, uint32_t events)
{
	struct peer *p = container_of(source, struct peer, look_source);
	char line[EVENT_LINE_BYTES];
	int r = look_step(p->look);

	(void)events;
	if (!look_result(p->look, &p->nat) && r == 0)
		return;
	say(p, line, event_nat(&p->nat, line));
	loop_remove(&p->loop, source);
	look_free(p->look);
	p->look = NULL;
	/* such a NAT is passed in less time than a slow router takes to answer */
	if (nat_easy(&p->nat))
		loop_disarm(&p->loop, &p->patience);
	begin_if_ready(p);
}

static void mapping_ready(struct loop_source *source, uint32_t events)
{
	struct peer *p = container_of(source, struct peer, mapping_source);
	char line[EVENT_LINE_BYTES];
	struct mapping_result result;
	int r;

	(void)events;
	if (p->mapping.fd < 0)
		return;
	r = mapping_read(&p->mapping, &result);
	if (r == 0) {
		p->mapped = result;
		say(p, line, event_mapped(&result, line));
	} else if (r != -EAGAIN) {
		/* the descriptor is closed, and with it what the loop watched */
		source->fd = -1;
	}
	if (r != -EAGAIN) {
		loop_disarm(&p->loop, &p->patience);
		begin_if_ready(p);
	}
}

static void patience_ended(struct loop_timer *timer)
{
	struct peer *p = container_of(timer, struct peer, patience);

	begin_if_ready(p);
}

static int start_look(struct peer *p)
{
	struct address locals[PUNCH_LOCALS_MAX];
	struct survey_config config = {
		.servers = { p->options.servers[0], p->options.servers[1] },
		.locals = locals,
		.locals_n = p->locals.n,
		.low_ports = p->options.low_ports,
		.limit_us = SURVEY_LIMIT_US,
	};
	int r;

	for (size_t i = 0; i < p->locals.n; i++)
		locals[i] = p->locals.list[i].address;
	if (getrandom(config.seed, sizeof config.seed, 0) != sizeof config.seed)
		return -EIO;
	r = look_new(&p->look, &config);
	if (r < 0)
		return r;
	p->look_source = (struct loop_source){ .fd = look_fd(p->look), .ready = look_ready };
	return loop_add(&p->loop, &p->look_source, EPOLLIN);
}

static int start_mapping(struct peer *p)
{
	int r = mapping_start(&p->mapping, drive_port(p->drive, 0), p->options.methods);

	if (r < 0)
		return r;
	p->mapping_source = (struct loop_source){ .fd = p->mapping.fd, .ready = mapping_ready };
	p->patience.fire = patience_ended;
	loop_arm(&p->loop, &p->patience, loop_now_ms() + PATIENCE_MS);
	return loop_add(&p->loop, &p->mapping_source, EPOLLIN);
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
	/* before any signal is blocked and anything else is open */
	if (r == 0 && o->map)
		r = start_mapping(p);
	if (r == 0)
		r = watch_signals(p);
	if (r == 0 && o->survey)
		r = start_look(p);
	if (r < 0)
		return r;
	watch_network(p);
	if (o->time_ms > 0) {
		p->end.fire = time_is_over;
		loop_arm(&p->loop, &p->end, loop_now_ms() + o->time_ms);
	}
	begin_if_ready(p);
	return 0;
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
	look_free(p->look);
	echo_end(&p->echo, &p->loop);
	drive_free(p->drive);
	mapping_end(&p->mapping);
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
	p->loop.epoll = p->network.fd = p->signals.fd = p->mapping.fd = p->echo.source.fd = -1;
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
