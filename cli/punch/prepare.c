/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The survey and the mapping of prepare.h, in the peer's event loop.
 */
#include "prepare.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "event.h"

#define SURVEY_LIMIT_US 1800000u	/* survey.h: "under 2 s" */
#define PATIENCE_MS 2000		/* with a router that gives no port */

void prepare_init(struct prepare *p, void (*ready)(struct prepare *p),
		  void (*say)(struct prepare *p, const char *line, int len))
{
	*p = (struct prepare){ .ready = ready, .say = say, .mapping.fd = -1 };
}

/* Once both have ended, one way or the other. */
static void check_ready(struct prepare *p)
{
	if (!p->look && p->patience.due_ms == 0)
		p->ready(p);
}

/* ---- the survey ---- */

static void look_ready(struct loop_source *source, uint32_t events)
{
	struct prepare *p = container_of(source, struct prepare, look_source);
	char line[EVENT_LINE_BYTES];
	int r = look_step(p->look);

	(void)events;
	if (!look_result(p->look, &p->nat) && r == 0)
		return;
	p->say(p, line, event_nat(&p->nat, line));
	loop_remove(p->loop, source);
	look_free(p->look);
	p->look = NULL;
	/* such a NAT is passed in less time than a slow router takes to answer */
	if (nat_easy(&p->nat))
		loop_disarm(p->loop, &p->patience);
	check_ready(p);
}

static int start_look(struct prepare *p, const struct peer_options *o,
		      const struct locals *locals)
{
	struct address addresses[PUNCH_LOCALS_MAX];
	struct survey_config config = {
		.servers = { o->servers[0], o->servers[1] },
		.locals = addresses,
		.locals_n = locals->n,
		.low_ports = o->low_ports,
		.limit_us = SURVEY_LIMIT_US,
	};
	int r;

	for (size_t i = 0; i < locals->n; i++)
		addresses[i] = locals->list[i].address;
	if (getrandom(config.seed, sizeof config.seed, 0) != sizeof config.seed)
		return -EIO;
	r = look_new(&p->look, &config);
	if (r < 0)
		return r;
	p->look_source = (struct loop_source){ .fd = look_fd(p->look), .ready = look_ready };
	return loop_add(p->loop, &p->look_source, EPOLLIN);
}

/* ---- the mapping ---- */

static void mapping_ready(struct loop_source *source, uint32_t events)
{
	struct prepare *p = container_of(source, struct prepare, mapping_source);
	char line[EVENT_LINE_BYTES];
	struct mapping_result result;
	int r;

	(void)events;
	if (p->mapping.fd < 0)
		return;
	r = mapping_read(&p->mapping, &result);
	if (r == -EAGAIN)
		return;
	if (r == 0) {
		p->mapped = result;
		p->say(p, line, event_mapped(&result, line));
	} else {
		/* the descriptor is closed, and with it what the loop watched */
		source->fd = -1;
	}
	loop_disarm(p->loop, &p->patience);
	check_ready(p);
}

static void patience_ended(struct loop_timer *timer)
{
	check_ready(container_of(timer, struct prepare, patience));
}

static int start_mapping(struct prepare *p, unsigned int methods, uint16_t port)
{
	int r = mapping_start(&p->mapping, port, methods);

	if (r < 0)
		return r;
	p->mapping_source = (struct loop_source){ .fd = p->mapping.fd, .ready = mapping_ready };
	p->patience.fire = patience_ended;
	loop_arm(p->loop, &p->patience, loop_now_ms() + PATIENCE_MS);
	return loop_add(p->loop, &p->mapping_source, EPOLLIN);
}

/* ---- both ---- */

int prepare_begin(struct prepare *p, struct loop *loop, const struct peer_options *options,
		  const struct locals *locals, uint16_t port)
{
	int r = 0;

	p->loop = loop;
	if (options->map)
		r = start_mapping(p, options->methods, port);
	if (r == 0 && options->survey)
		r = start_look(p, options, locals);
	if (r == 0)
		check_ready(p);
	return r;
}

void prepare_end(struct prepare *p)
{
	look_free(p->look);
	p->look = NULL;
	mapping_end(&p->mapping);
}
