/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 13: no introduced descriptor shows SO_PEERCRED uid 0, and the uid that the broker
 * attests is the true peer's: by every way, for every mode of the broker, across user
 * namespaces, and for those who share a connection.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "party.h"

/* A name by each way. Nobody sees a uid in what was deposited. */
static const char config[] =
	"door host {\n"
	"	grant pair { rights = { connect, serve } }\n"
	"	grant listen { rights = { connect, serve } }\n"
	"	grant fetch { rights = { connect, serve } }\n"
	"	grant placed { rights = { connect, serve } }\n"
	"}\n";

static const struct {
	enum wire_way way;
	const char *name;
} ways[] = {
	{ WAY_PAIR, "pair" }, { WAY_LISTEN, "listen" }, { WAY_FETCH, "fetch" },
	{ WAY_PLACED, "placed" },
};

#define WAYS (sizeof ways / sizeof ways[0])

static struct broker broker;
static char door[PATH_BYTES];	/* the clients' */
static char dir[DIR_BYTES];	/* the servers' */
static uid_t client_uid, service_uid, switch_uid;

static uid_t uid_of(pid_t pid)
{
	char path[32];
	char *status, *at;
	unsigned int uid = 0;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	status = file_read(path);
	at = status ? strstr(status, "\nUid:") : NULL;
	if (!at || sscanf(at, "\nUid: %u", &uid) != 1)
		harness_fail("no uid in %s", path);
	free(status);
	return uid;
}

static uint64_t pidfd_inode(pid_t pid)
{
	int fd = MUST(syscall(SYS_pidfd_open, pid, 0));
	struct stat st;

	MUST(fstat(fd, &st));
	close(fd);
	return st.st_ino;
}

static void begin_at(const char *client_door)
{
	switch_uid = uid_of(broker_switch_pid(&broker, 0));
	cr_assert_neq(switch_uid, 0);
	snprintf(door, sizeof door, "%s", client_door);
	dir_make(dir);
	MUST(chmod(dir, 0777));
}

/* Everybody has another uid: the client comes through the host door of a system broker. */
static void begin_system(void)
{
	broker_start(&broker, &(struct broker_options){ .system = true, .config = config });
	client_uid = CLIENT_UID;
	service_uid = SERVICE_UID;
	begin_at(broker.host);
}

/* A user's broker, whose door is mounted into a container: where root tests, of another uid. */
static void begin_user(void)
{
	bool root = geteuid() == 0;
	char path[PATH_BYTES];

	broker_start(&broker, &(struct broker_options){ .uid = root ? BROKER_UID : 0 });
	client_uid = root ? CLIENT_UID : geteuid();
	service_uid = root ? BROKER_UID : geteuid();
	cr_assert_eq(broker_add_door(&broker, "web"), 0);
	for (size_t i = 0; i < WAYS; i++)
		cr_assert_eq(broker_grant(&broker, "web", ways[i].name, RIGHT_CONNECT), 0);
	broker_door(&broker, "web", path);
	begin_at(path);
}

static void end(void)
{
	broker_stop(&broker);
	dir_remove(dir);
}

/* The uid of whoever listens, connects or makes the pair, at each end. */
static void check_sights(enum wire_way way, const struct party *client, const struct sight *mine,
			 const struct party *service, const struct sight *theirs,
			 uid_t server_uid)
{
	bool by_broker = way == WAY_PAIR || way == WAY_LISTEN;

	cr_expect_neq(mine->peer_uid, 0, "way %d", way);
	cr_expect_neq(theirs->peer_uid, 0, "way %d", way);
	cr_expect_eq(mine->peer_uid, by_broker ? switch_uid : server_uid, "way %d: %u", way,
		     mine->peer_uid);
	if (way == WAY_LISTEN || way == WAY_PLACED) {
		cr_expect_eq(theirs->peer_uid, client_uid, "way %d: %u", way, theirs->peer_uid);
		cr_expect_eq(theirs->peer_pid, client->pid, "way %d", way);
	} else {
		cr_expect_eq(theirs->peer_uid, way == WAY_PAIR ? switch_uid : server_uid);
	}
	if (way == WAY_FETCH || way == WAY_PLACED)
		cr_expect_eq(mine->peer_pid, service->pid, "way %d", way);
	if (way == WAY_PLACED)
		return;
	cr_expect_eq(theirs->uid, (int64_t)client_uid, "way %d: %lld", way,
		     (long long)theirs->uid);
	cr_expect_eq(theirs->pid, (int64_t)client->pid, "way %d: %lld", way,
		     (long long)theirs->pid);
	if (way != WAY_LISTEN)
		cr_expect_eq(theirs->pidfd_inode, pidfd_inode(client->pid), "way %d", way);
}

/* A client that has an end when root has one, too, must not be taken for it. */
static void check_way(size_t i)
{
	struct party client, service;
	struct sight mine, theirs;
	/* only what has the switch's uid can be linked by it (protected_hardlinks) */
	uid_t server_uid = ways[i].way == WAY_PLACED ? switch_uid : service_uid;
	bool root = geteuid() == 0;

	party_start(&service, &(struct party_options){
		.role = PARTY_SERVICE, .way = ways[i].way, .name = ways[i].name,
		.door = broker.host, .dir = dir, .uid = root ? server_uid : 0 });
	party_start(&client, &(struct party_options){
		.role = PARTY_CLIENT, .way = ways[i].way, .name = ways[i].name, .door = door,
		.uid = root ? client_uid : 0 });
	party_meet(&client, &mine);
	party_see(&service, &theirs);
	check_sights(ways[i].way, &client, &mine, &service, &theirs, server_uid);
	party_stop(&client);
	party_stop(&service);
}

static void check_ways(void)
{
	for (size_t i = 0; i < WAYS; i++)
		check_way(i);
}

TEST(claim_13, system_broker)
{
	NEED(geteuid() == 0, "needs root");
	begin_system();
	check_ways();
	end();
}

TEST(claim_13, user_broker)
{
	begin_user();
	check_ways();
	end();
}

/* A listener outlives its switch; those who connect in between and afterwards are known. */
TEST(claim_13, after_the_switch_has_died)
{
	begin_user();
	check_way(1);
	broker_switch_kill(&broker);
	check_ways();
	end();
}

/* ---- user namespaces */

static void check_namespaces(bool of_client, bool of_service)
{
	struct party client, service;
	struct sight mine, theirs;
	bool root = geteuid() == 0;

	/* the ways by which a uid is attested */
	for (size_t i = 0; i < 3; i++) {
		party_start(&service, &(struct party_options){
			.role = PARTY_SERVICE, .way = ways[i].way, .name = ways[i].name,
			.door = broker.host, .dir = dir, .uid = root ? service_uid : 0,
			.own_userns = of_service });
		party_start(&client, &(struct party_options){
			.role = PARTY_CLIENT, .way = ways[i].way, .name = ways[i].name,
			.door = door, .uid = root ? client_uid : 0, .own_userns = of_client });
		party_meet(&client, &mine);
		party_see(&service, &theirs);
		/* what it is in the broker's namespace, or nothing */
		cr_expect_eq(theirs.uid, of_service ? -1 : (int64_t)client_uid, "%s: %lld",
			     ways[i].name, (long long)theirs.uid);
		cr_expect_eq(theirs.pid, of_service ? -1 : (int64_t)client.pid, "%s",
			     ways[i].name);
		party_stop(&client);
		party_stop(&service);
	}
}

static int make_userns(void *arg)
{
	(void)arg;
	return unshare(CLONE_NEWUSER) < 0;
}

/* A number means nothing in another namespace; and its root is whoever made it. */
TEST(claim_13, user_namespaces)
{
	NEED(child_call(make_userns, NULL) == 0, "no user namespaces");
	begin_user();
	check_namespaces(false, true);
	check_namespaces(true, false);
	check_namespaces(true, true);
	end();
}

/* ---- connections that are shared */

/* Processes of three uids share what a fourth has made: each is itself. */
TEST(claim_13, shared_connections)
{
	uid_t uids[] = { CLIENT_UID, CLIENT_UID + 1, SERVICE_UID };
	struct party clients[3], service;
	struct sight mine, theirs;
	bool root = geteuid() == 0;
	struct intro *in;
	char shared[16];
	int fd;

	begin_user();
	cr_assert_eq(intro_open(&in, door), 0);
	cr_assert_eq(intro_share(in, &fd), 0);
	snprintf(shared, sizeof shared, "fd:%d", fd);
	party_start(&service, &(struct party_options){
		.role = PARTY_SERVICE, .way = WAY_PAIR, .name = "pair", .door = broker.host,
		.uid = root ? service_uid : 0 });
	for (size_t i = 0; i < 3; i++)
		party_start(&clients[i], &(struct party_options){
			.role = PARTY_CLIENT, .way = WAY_PAIR, .name = "pair", .door = shared,
			.uid = root ? uids[i] : 0 });
	for (size_t n = 0; n < 9; n++) {
		size_t i = n * 2 % 3;

		party_meet(&clients[i], &mine);
		party_see(&service, &theirs);
		cr_expect_eq(theirs.uid, (int64_t)(root ? uids[i] : geteuid()));
		cr_expect_eq(theirs.pid, (int64_t)clients[i].pid);
		cr_expect_eq(theirs.pidfd_inode, pidfd_inode(clients[i].pid));
		cr_expect_neq(mine.peer_uid, 0);
	}
	for (size_t i = 0; i < 3; i++)
		party_stop(&clients[i]);
	party_stop(&service);
	intro_close(in);
	close(fd);
	end();
}
