/* SPDX-License-Identifier: Apache-2.0 */
/*
 * three_vats: A holds references to B and C, and introduces B to C. Three processes:
 *
 *	A  asks for "bob", provides its reference to "carol" for whoever serves that, and tells
 *	   the gift over the conversation it has with B;
 *	B  serves "bob", claims what it is told of, and talks to C: straight, not through A;
 *	C  serves "carol", and sees by the label who has introduced whom.
 *
 * B never needed a name for C, nor the right to look for one.
 */
#include <errno.h>
#include <intro.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 5000

static void fail(const char *who, int error)
{
	fprintf(stderr, "three_vats: %s: %s\n", who, intro_strerror(error));
	exit(1);
}

/* The answer to a request, which must be a good one. */
static struct intro_event answer(struct intro *in, const char *who, int request)
{
	struct intro_event ev = { .error = request };

	if (request < 0 || intro_wait(in, request, PATIENCE_MS, &ev) != 1 ||
	    ev.what == INTRO_REFUSED)
		fail(who, ev.error);
	return ev;
}

static struct intro *open_door(const char *who)
{
	struct intro *in = NULL;
	int r = intro_open(&in, NULL);

	if (r < 0)
		fail(who, r);
	return in;
}

/* Serve a name, and take the first client. ready: closed once the name is served. */
static struct intro_event serve_one(struct intro *in, const char *name, int ready)
{
	struct intro_event ev = { .error = 0 };
	struct intro_ref *ref;

	answer(in, name, intro_serve(in, name, NULL, &ref));
	close(ready);
	if (intro_wait(in, 0, PATIENCE_MS, &ev) != 1 || ev.what != INTRO_INCOMING)
		fail(name, ev.error);
	return ev;
}

static void carol(int ready)
{
	struct intro *in = open_door("carol");
	struct intro_event ev = serve_one(in, "carol", ready);

	dprintf(ev.fd, "hello, whom \"%s\" has brought\n", ev.label);
	close(ev.fd);
	intro_close(in);
}

static void bob(int ready)
{
	struct intro *in = open_door("bob");
	struct intro_event alice = serve_one(in, "bob", ready), ev;
	struct intro_ref *friend = NULL;
	char gift[72] = "", words[128] = "";
	ssize_t n = read(alice.fd, gift, sizeof gift - 1);

	gift[n > 0 ? n : 0] = '\0';
	answer(in, "bob", intro_claim(in, gift, &friend));
	ev = answer(in, "bob", intro_connect(friend, SOCK_STREAM, 0));
	n = read(ev.fd, words, sizeof words - 1);
	dprintf(alice.fd, "carol said: %.*s", n > 0 ? (int)n : 0, words);
	close(ev.fd);
	close(alice.fd);
	intro_close(in);
}

static void alice(void)
{
	const struct intro_terms once = { .uses = 1, .label = "alice" };
	struct intro *in = open_door("alice");
	struct intro_ref *to_bob = NULL, *to_carol = NULL;
	struct intro_event ev, gift;
	char words[256] = "";
	ssize_t n;

	if (intro_find(in, "bob", &to_bob) < 0 || intro_find(in, "carol", &to_carol) < 0)
		fail("alice", -ENOMEM);
	ev = answer(in, "alice", intro_connect(to_bob, SOCK_STREAM, PATIENCE_MS));
	gift = answer(in, "alice", intro_give(to_carol, &once, to_bob, PATIENCE_MS));
	if (write(ev.fd, gift.gift, strlen(gift.gift)) < 0)
		perror("three_vats: alice");
	n = read(ev.fd, words, sizeof words - 1);
	printf("bob says that %.*s", n > 0 ? (int)n : 0, words);
	close(ev.fd);
	intro_close(in);
}

/* A child that is ready when the pipe is closed. */
static void start(void (*who)(int ready))
{
	int ready[2];
	char byte;

	if (pipe(ready) < 0)
		exit(1);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		who(ready[1]);
		exit(0);
	}
	close(ready[1]);
	(void)!read(ready[0], &byte, 1);
	close(ready[0]);
}

int main(void)
{
	int status, failures = 0;

	start(carol);
	start(bob);
	alice();
	while (wait(&status) > 0)
		failures += status != 0;
	return failures != 0;
}
