/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saved references with a real store room: they outlive their holders, the switch, the broker
 * and the store, never wider than they were, and end when they are revoked.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../harness_intro.h"

static char uri[1100];

/* Save a child of found by these terms; its line is in uri. */
static void save(const struct intro_terms *terms)
{
	get_answer(client, intro_save(found, terms, NULL), INTRO_DONE);
	cr_assert_not_null(intro_ref_uri(found));
	snprintf(uri, sizeof uri, "%s", intro_ref_uri(found));
}

static void begin(void)
{
	both_begin();
	serve_name("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
}

/* A new pair of connections to a broker that may be another. */
static void meet_again(void)
{
	service = intro_close(service);
	client = intro_close(client);
	cr_assert_eq(intro_open(&service, NULL), 0);
	cr_assert_eq(intro_open(&client, broker.host), 0);
	serve_name("db", NULL);
}

/* Restore what uri designates: 0, or why not. */
static int restore(struct intro_ref **ret)
{
	struct intro_event ev;
	int request = intro_restore(client, uri, ret);

	cr_assert_gt(request, 0);
	cr_assert_eq(intro_wait(client, request, HANG_MS, &ev), 1);
	return ev.what == INTRO_DONE ? 0 : ev.error;
}

/* Be introduced by it: 0 with the label that the service was told, or an error. */
static int meet(struct intro_ref *ref, char label[136])
{
	struct intro_event ours, theirs;
	int request = intro_connect(ref, SOCK_STREAM, 0);

	if (request < 0)
		return request;
	cr_assert_eq(intro_wait(client, request, HANG_MS, &ours), 1);
	if (ours.what == INTRO_REFUSED)
		return ours.error;
	theirs = get_next(service, INTRO_INCOMING);
	cr_assert(linked(ours.fd, theirs.fd));
	if (label)
		strcpy(label, theirs.label);
	close(ours.fd);
	close(theirs.fd);
	return 0;
}

static pid_t store_pid(void)
{
	char path[64], *children, name[32];
	pid_t pid = 0;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", broker.pid, broker.pid);
	children = file_read(path);
	cr_assert_not_null(children);
	for (char *p = strtok(children, " "); p && !pid; p = strtok(NULL, " ")) {
		char *comm;

		snprintf(path, sizeof path, "/proc/%s/comm", p);
		comm = file_read(path);
		snprintf(name, sizeof name, "%s", comm ? comm : "");
		free(comm);
		if (strcmp(name, "introd-store\n") == 0)
			pid = (pid_t)atoi(p);
	}
	free(children);
	return pid;
}

TEST(sturdy, outlives_everybody)
{
	struct intro_ref *ref;
	struct intro_info info;
	char label[136];

	begin();
	save(&(struct intro_terms){ .label = "for later", .rights = INTRO_MAY_CONNECT });
	cr_assert_eq(restore(&ref), 0);
	cr_assert_eq(meet(ref, label), 0);
	cr_assert_str_eq(label, "for later");
	get_answer(client, intro_stat(ref), INTRO_DONE);
	cr_assert_eq(intro_ref_info(ref, &info), 0);
	cr_assert_eq(info.rights, INTRO_MAY_CONNECT);
	cr_assert_not_null(strstr(info.provenance, "service db\nsaved by door=host"), "%s",
			   info.provenance);

	/* the switch: libintro binds it again by itself */
	broker_switch_kill(&broker);
	meet_again();
	cr_assert_eq(restore(&ref), 0);
	cr_assert_eq(meet(ref, NULL), 0);
	get_answer(client, intro_stat(ref), INTRO_DONE);
	cr_assert_eq(intro_ref_info(ref, &info), 0);
	cr_assert_not_null(strstr(info.provenance, "service db\nsaved by door=host"), "%s",
			   info.provenance);

	/* the store */
	MUST(kill(store_pid(), SIGKILL));
	intro_unref(ref);
	cr_assert_eq(restore(&ref), 0);
	cr_assert_eq(meet(ref, NULL), 0);

	/* all of them */
	child_kill(broker.pid);
	broker_start_again(&broker, NULL);
	meet_again();
	cr_assert_eq(restore(&ref), 0);
	cr_assert_eq(meet(ref, label), 0);
	cr_assert_str_eq(label, "for later");
	both_end();
}

/* Killed at any time, a reference of five uses is good for five at the most. */
TEST(sturdy, crashes_add_no_uses)
{
	struct intro_ref *ref;
	int uses = 0;

	begin();
	save(&(struct intro_terms){ .uses = 5 });
	for (int i = 0; i < 8; i++) {
		cr_assert_eq(restore(&ref), 0);
		uses += meet(ref, NULL) == 0;
		if (i % 2)
			broker_switch_kill(&broker);
		else
			intro_unref(ref);
		meet_again();
	}
	cr_assert_leq(uses, 5);
	cr_assert_geq(uses, 3, "of which a crash burns one at the most");
	cr_assert_eq(restore(&ref), 0);
	cr_assert_eq(meet(ref, NULL), -EDQUOT);
	both_end();
}

/* All who have restored it share its uses, with those of what it was made from. */
TEST(sturdy, uses_are_shared)
{
	struct intro_ref *parent, *child, *a, *b;
	char of_child[1100];

	begin();
	get_answer(client, intro_lend(found, &(struct intro_terms){ .uses = 3 }, &parent),
		   INTRO_DONE);
	get_answer(client, intro_lend(parent, &(struct intro_terms){ .uses = 2 }, &child),
		   INTRO_DONE);
	get_answer(client, intro_save(child, NULL, NULL), INTRO_DONE);
	strcpy(of_child, intro_ref_uri(child));
	get_answer(client, intro_save(parent, NULL, NULL), INTRO_DONE);
	strcpy(uri, of_child);
	cr_assert_eq(restore(&a), 0);
	cr_assert_eq(restore(&b), 0);
	cr_assert_eq(meet(a, NULL), 0);
	cr_assert_eq(meet(b, NULL), 0);
	cr_assert_eq(meet(a, NULL), -EDQUOT);
	cr_assert_eq(meet(child, NULL), -EDQUOT);
	cr_assert_eq(meet(parent, NULL), 0);
	cr_assert_eq(meet(parent, NULL), -EDQUOT);
	both_end();
}

/* A revocation that was answered is one for good. */
TEST(sturdy, revoked_for_good)
{
	struct intro_ref *parent, *ref;
	struct intro_event ev;

	begin();
	get_answer(client, intro_lend(found, NULL, &parent), INTRO_DONE);
	get_answer(client, intro_save(parent, NULL, NULL), INTRO_DONE);
	strcpy(uri, intro_ref_uri(parent));
	cr_assert_eq(restore(&ref), 0);
	get_answer(client, intro_revoke(parent), INTRO_DONE);
	child_kill(broker.pid);
	for (int i = 0; i < 2; i++) {
		ev = get_next(client, INTRO_BROKEN);
		cr_assert_eq(ev.error, -EKEYREVOKED);
	}
	broker_start_again(&broker, NULL);
	meet_again();
	cr_assert_eq(restore(&ref), -ENOENT);
	both_end();
}

/* What was made from a grant ends with the grant, also while nobody holds it. */
TEST(sturdy, ends_with_its_grant)
{
	char web[PATH_BYTES];
	struct intro_ref *ref;

	begin();
	cr_assert_eq(broker_add_door(&broker, "web"), 0);
	cr_assert_eq(broker_grant(&broker, "web", "db", RIGHT_CONNECT | RIGHT_SAVE), 0);
	broker_door(&broker, "web", web);
	client = intro_close(client);
	cr_assert_eq(intro_open(&client, web), 0);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	save(NULL);
	cr_assert_eq(restore(&ref), 0);
	cr_assert_eq(meet(ref, NULL), 0);
	client = intro_close(client);
	cr_assert_eq(broker_ungrant(&broker, "web", "db"), 0);
	cr_assert_eq(broker_grant(&broker, "web", "db", RIGHT_CONNECT | RIGHT_SAVE), 0);
	cr_assert_eq(intro_open(&client, web), 0);
	cr_assert_eq(restore(&ref), -ENOENT);
	both_end();
}

TEST(sturdy, takes_the_right_to_save)
{
	struct intro_ref *lent;
	struct intro_event ev;

	begin();
	get_answer(client, intro_lend(found, &(struct intro_terms){ .rights = INTRO_MAY_CONNECT },
				      &lent), INTRO_DONE);
	ev = get_answer(client, intro_save(lent, NULL, NULL), INTRO_REFUSED);
	cr_assert_eq(ev.error, -EACCES);
	both_end();
}

/* What is saved counts, too, though nobody holds it; in another door's account it does not. */
TEST(sturdy, quota_is_the_doors)
{
	struct intro_ref *ref;
	struct intro_event ev;
	char web[PATH_BYTES];

	begin();
	cr_assert_eq(broker_add_door(&broker, "web"), 0);
	cr_assert_eq(broker_grant(&broker, "web", "db", RIGHTS_ALL), 0);
	broker_door(&broker, "web", web);
	cr_assert_eq(broker_limit(&broker, "web", TAG_MAX_REFERENCES, 3), 0);
	client = intro_close(client);
	cr_assert_eq(intro_open(&client, web), 0);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	for (int i = 0; i < 3; i++)
		save(NULL);
	ev = get_answer(client, intro_save(found, NULL, NULL), INTRO_REFUSED);
	cr_assert_eq(ev.error, -EDQUOT);
	/* one that is taken back makes room */
	cr_assert_eq(restore(&ref), 0);
	get_answer(client, intro_revoke(ref), INTRO_DONE);
	save(NULL);
	client = intro_close(client);
	cr_assert_eq(intro_open(&client, broker.host), 0);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	for (int i = 0; i < 4; i++)
		save(NULL);
	both_end();
}

/* ---- bad luck with the files ---- */

static void state_path(const char *file, char ret[static PATH_BYTES])
{
	snprintf(ret, PATH_BYTES, "%s/state%s%s", broker.dir, file ? "/" : "", file ? file : "");
}

TEST(sturdy, damage_is_named_and_nothing_is_emptied)
{
	char path[PATH_BYTES], *was, *is, *log;
	struct intro_ref *ref;
	size_t len, now;
	int fd;

	begin();
	save(NULL);
	cr_assert_eq(restore(&ref), 0);
	broker_end(&broker);
	state_path("references.db", path);
	fd = MUST(open(path, O_RDWR | O_CLOEXEC));
	cr_assert_eq(pwrite(fd, "damaged!", 8, 4096 + 100), 8);
	cr_assert_eq(pwrite(fd, "damaged!", 8, 20), 8);
	was = fd_read(fd, &len);
	broker_start_again(&broker, NULL);
	meet_again();
	cr_assert_eq(restore(&ref), -EUCLEAN);
	cr_assert_eq(restore(&ref), -EUCLEAN);
	is = fd_read(fd, &now);
	cr_assert(now == len && memcmp(was, is, len) == 0, "the file is as it was");
	close(fd);
	log = file_read(broker.log);
	cr_assert_not_null(strstr(log, "references.db"), "%s", log);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	cr_assert_eq(meet(found, NULL), 0, "all else works");
	free(was);
	free(is);
	free(log);
	both_end();
}

TEST(sturdy, no_place_for_it_is_said)
{
	struct intro_ref *lent;
	struct intro_event ev;
	char path[PATH_BYTES];
	int fd;

	begin();
	state_path(NULL, path);
	fd = MUST(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	close(fd);
	get_answer(client, intro_lend(found, NULL, &lent), INTRO_DONE);
	ev = get_answer(client, intro_save(lent, NULL, NULL), INTRO_REFUSED);
	cr_assert_eq(ev.error, -ENOTDIR, "%d", ev.error);
	cr_assert_eq(meet(found, NULL), 0, "all else works");
	MUST(unlink(path));
	get_answer(client, intro_save(lent, NULL, NULL), INTRO_DONE);
	both_end();
}
