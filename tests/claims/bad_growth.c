/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ends leaves nothing: the switch's memory after ten thousand of everything, and a switch
 * that dies while a close of its reaper does not return.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"
#include "stuck_fs.h"

/* A sanitizer's allocator keeps what was freed, to notice its use. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define ITERATIONS 10000
/* Pages that the allocator may have touched meanwhile; 26 bytes lost an iteration are more. */
#define SLACK_KIB 256

struct parties {
	struct scene s;
	int service, agent, client, control;
};

static void introduction(struct parties *p, unsigned int i)
{
	int end = dial(p->client, "service");

	(void)i;
	cr_assert_geq(end, 0);
	close(end);
	close(expect(p->service, WIRE_INCOMING, NULL));
}

static void refusal(struct parties *p, unsigned int i)
{
	char name[32];

	snprintf(name, sizeof name, "absent.%u", i);
	cr_assert_eq(dial(p->client, name), -ENOENT);
}

static void connection(struct parties *p, unsigned int i)
{
	int sock = enter(&p->s, "host");

	(void)i;
	allow(sock);
	close(sock);
}

/* A name of its own each time, served and withdrawn. */
static void service(struct parties *p, unsigned int i)
{
	struct message m;
	char name[32];

	snprintf(name, sizeof name, "name.%u", i);
	cr_assert_eq(raw_serve(p->client, 3, 7, name, i % 2 ? WAY_PAIR : WAY_FETCH), 0);
	raw_send(p->client, message(&m, WIRE_DROP, 4, 7, 0), -1);
}

static void wait_and_cancel(struct parties *p, unsigned int i)
{
	struct message m;
	char name[32];

	snprintf(name, sizeof name, "late.%u", i);
	ask(p->client, 5, name, SOCK_STREAM, 60000000);
	raw_send(p->client, message(&m, WIRE_CANCEL, 5, 0, 0), -1);
	cr_assert_eq(answer(p->client, 5), -ECANCELED);
}

static void fetch(struct parties *p, unsigned int i)
{
	struct raw asked;
	struct message m;
	int end;

	ask(p->client, 6, "agent", SOCK_STREAM, 0);
	expect(p->agent, WIRE_FETCH, &asked);
	message(&m, WIRE_FETCHED, asked.m.head.serial, 0, i % 2);
	if (i % 2 == 0)
		wire_put_u32(&m.w, TAG_ERROR, (uint32_t)-ECONNREFUSED);
	raw_send(p->agent, &m.w, i % 2 ? STDERR_FILENO : -1);
	end = answer(p->client, 6);
	cr_assert_eq(end >= 0, i % 2 == 1);
	if (end >= 0)
		close(end);
}

static void hold_and_take(struct parties *p, unsigned int i)
{
	struct message m;
	char name[32];
	int fd;

	snprintf(name, sizeof name, "held.%u", i);
	cr_assert_eq(hold(p->client, 8, name, STDERR_FILENO), 0);
	message(&m, WIRE_TAKE, 9, 0, 0);
	wire_put_string(&m.w, TAG_NAME, name);
	raw_send(p->client, &m.w, -1);
	fd = answer(p->client, 9);
	cr_assert_geq(fd, 0);
	close(fd);
}

static void administer_here(struct parties *p, enum wire_type type, const char *door,
			    const char *name)
{
	struct raw reply = { .nfds = 0 };
	struct message m;

	message(&m, type, 3, 0, 0);
	if (name)
		wire_put_string(&m.w, TAG_NAME, name);
	wire_put_string(&m.w, TAG_DOOR, door);
	if (type == WIRE_GRANT)
		wire_put_string(&m.w, TAG_LABEL, "a label");
	cr_assert_eq(raw_ask(p->control, &m.w, -1, &reply), 0);
}

static void grant(struct parties *p, unsigned int i)
{
	char name[32];

	snprintf(name, sizeof name, "grant.%u", i);
	administer_here(p, WIRE_GRANT, "host", name);
	administer_here(p, WIRE_UNGRANT, "host", name);
}

static void door(struct parties *p, unsigned int i)
{
	/* ones that come again, since their directories stay */
	char name[32];

	snprintf(name, sizeof name, "door.%u", i % 4);
	administer_here(p, WIRE_DOOR_ADD, name, NULL);
	administer_here(p, WIRE_GRANT, name, "name");
	administer_here(p, WIRE_DOOR_REMOVE, name, NULL);
}

static void grows_not(void (*step)(struct parties *p, unsigned int i))
{
	struct parties p;
	unsigned int i = 0;
	long before, after;

	NEED(!SANITIZED, "a sanitizer's allocator keeps what was freed");
	scene_start(&p.s, NULL);
	p.service = serve(&p.s, "host", "service", WAY_PAIR);
	p.agent = serve(&p.s, "host", "agent", WAY_FETCH);
	p.client = enter(&p.s, "host");
	p.control = raw_open_control(&p.s.b);
	allow(p.client);
	allow(p.agent);
	for (; i < ITERATIONS / 10; i++)
		step(&p, i);
	before = room_memory(&p.s);
	for (; i < ITERATIONS / 10 + ITERATIONS; i++)
		step(&p, i);
	after = room_memory(&p.s);
	cr_assert_gt(before, 0);
	cr_assert_leq(after, before + SLACK_KIB, "%ld KiB, and %ld KiB in the end", before,
		      after);
	close(p.control);
	close(p.client);
	close(p.agent);
	close(p.service);
	scene_end(&p.s);
}

#define GROWS_NOT(name)                            \
	TEST(bad_growth, by_##name, .timeout = 60) \
	{                                          \
		grows_not(name);                   \
	}

GROWS_NOT(introduction)
GROWS_NOT(refusal)
GROWS_NOT(connection)
GROWS_NOT(service)
GROWS_NOT(wait_and_cancel)
GROWS_NOT(fetch)
GROWS_NOT(hold_and_take)
GROWS_NOT(grant)
GROWS_NOT(door)

/* A close that does not return keeps even a killed process from ending. The parent does not
 * wait for it for ever. */
TEST(bad_growth, stops_while_a_close_is_stuck)
{
	struct stuck_fs fs;
	struct scene s;
	struct message m;
	int file, sock;

	if (!stuck_fs_start(&fs))
		cr_skip("a FUSE filesystem cannot be mounted here (/dev/fuse)");
	scene_start(&s, NULL);
	sock = enter(&s, "host");
	allow(sock);
	file = stuck_fs_file(&fs);
	raw_send(sock, message(&m, WIRE_FETCHED, 7, 0, 1), file);
	strangers_meet(&s);
	children_adopt();
	MUST(kill(s.b.pid, SIGTERM));
	cr_assert_eq(child_wait(s.b.pid), 0);
	/* what it left behind ends with what it waits for (and a sanitizer leaves more) */
	stuck_fs_stop(&fs);
	while (waitpid(-1, NULL, 0) > 0)
		;
	close(file);
	close(sock);
	dir_remove(s.b.dir);
}
