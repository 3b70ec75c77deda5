/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filesystem of stuck_fs.h: one directory with one file in it.
 */
#include "stuck_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define ROOT_NODE 1u
#define FILE_NODE 2u
#define REQUEST_BYTES (FUSE_MIN_READ_BUFFER + 4096)

struct served {
	int fuse;
	int test;		/* our end of the line to the test */
	const char *dir;
	atomic_bool silent;	/* about everything */
	atomic_bool flushes;	/* is answered */
};

/* Should the test itself be stuck, nobody else would end this. */
#define LIFE_SEC 40

/* ---- the server ---- */

static void reply(int fuse, uint64_t unique, int error, const void *body, size_t len)
{
	struct fuse_out_header head = {
		.len = (uint32_t)(sizeof head + len), .error = error, .unique = unique,
	};
	struct iovec iov[] = { { &head, sizeof head }, { (void *)body, len } };

	if (writev(fuse, iov, 2) < 0 && errno != ENOENT)
		harness_fail("answering a FUSE request: %m");
}

static struct fuse_attr attributes(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.mode = node == ROOT_NODE ? S_IFDIR | 0755 : S_IFREG | 0666,
		.nlink = 1,
		.size = 4096,
		.blksize = 4096,
		.uid = getuid(),
		.gid = getgid(),
	};
}

static void answer(const struct served *s, const struct fuse_in_header *in, const void *body)
{
	const struct fuse_init_in *init = body;
	struct fuse_init_out version = {
		.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096,
		.max_readahead = init->max_readahead,
	};
	struct fuse_entry_out entry = { .nodeid = FILE_NODE, .entry_valid = 1 };
	struct fuse_attr_out attr = { .attr = attributes(in->nodeid) };
	struct fuse_open_out open = { .fh = 1 };

	switch (in->opcode) {
	case FUSE_INIT:
		reply(s->fuse, in->unique, 0, &version, sizeof version);
		break;
	case FUSE_LOOKUP:
		entry.attr = attributes(FILE_NODE);
		reply(s->fuse, in->unique, 0, &entry, sizeof entry);
		break;
	case FUSE_GETATTR:
		reply(s->fuse, in->unique, 0, &attr, sizeof attr);
		break;
	case FUSE_OPEN:
		reply(s->fuse, in->unique, 0, &open, sizeof open);
		break;
	case FUSE_FLUSH:
		if (s->flushes)
			reply(s->fuse, in->unique, 0, NULL, 0);
		break;
	default:
		/* FUSE_READ, above all: silence */
		break;
	}
}

static void *serve_requests(void *arg)
{
	static _Alignas(struct fuse_in_header) char buf[REQUEST_BYTES];
	struct served *s = arg;

	while (read(s->fuse, buf, sizeof buf) > 0)
		if (!s->silent)
			answer(s, (const void *)buf, buf + sizeof(struct fuse_in_header));
	return NULL;
}

static bool mount_it(struct served *s)
{
	char options[128];

	s->fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (s->fuse < 0)
		return false;
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u", s->fuse,
		 getuid(), getgid());
	return mount("stuck", s->dir, "fuse", MS_NOSUID | MS_NODEV, options) == 0;
}

static bool own_mounts(void)
{
	char map[32];
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (uid == 0)
		return unshare(CLONE_NEWNS) == 0 &&
		       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	snprintf(map, sizeof map, "0 %u 1", uid);
	file_write("/proc/self/uid_map", map);
	file_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", gid);
	file_write("/proc/self/gid_map", map);
	return true;
}

/* 'f' and 'd' on the line ask for a descriptor of the file, and of the directory. */
_Noreturn static void run_server(struct served *s)
{
	char path[DIR_BYTES + 8], word = 'n';
	pthread_t thread;
	int fd;

	alarm(LIFE_SEC);
	if (own_mounts() && mount_it(s))
		word = 'y';
	packet_send(s->test, &word, 1, NULL, 0);
	if (word == 'n')
		_exit(0);
	if (pthread_create(&thread, NULL, serve_requests, s) != 0)
		_exit(CHILD_FAILED);
	snprintf(path, sizeof path, "%s/file", s->dir);
	while (read(s->test, &word, 1) == 1) {
		fd = word == 'f' ? open(path, O_RDWR | O_CLOEXEC) :
				   open(s->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		s->silent = word == 'd';
		if (fd < 0 || packet_send(s->test, &word, 1, &fd, 1) < 0)
			_exit(CHILD_FAILED);
		/* Our own end must not wait for ourselves. */
		s->flushes = true;
		close(fd);
		s->flushes = false;
		packet_send(s->test, &word, 1, NULL, 0);
	}
	_exit(0);
}

/* ---- the test's side ---- */

static int fetch(const struct stuck_fs *fs, char word)
{
	uint8_t buf[WIRE_PACKET_MAX];
	size_t n = 0;
	int fd = -1;

	MUST(write(fs->line, &word, 1));
	if (!wait_fd(fs->line, POLLIN) || packet_recv(fs->line, buf, &fd, 1, &n) <= 0 || n != 1)
		harness_fail("the filesystem's server gives no descriptor");
	if (!wait_fd(fs->line, POLLIN) || read(fs->line, &word, 1) != 1)
		harness_fail("the filesystem's server is stuck itself");
	return fd;
}

bool stuck_fs_start(struct stuck_fs *fs)
{
	struct served s = { .fuse = -1, .dir = fs->dir };
	char word = 'n';
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	dir_make(fs->dir);
	fs->server = child_fork();
	if (fs->server == 0) {
		close(pair[0]);
		s.test = pair[1];
		run_server(&s);
	}
	close(pair[1]);
	fs->line = pair[0];
	if (wait_fd(fs->line, POLLIN) && read(fs->line, &word, 1) == 1 && word == 'y')
		return true;
	close(fs->line);
	child_wait(fs->server);
	dir_remove(fs->dir);
	return false;
}

int stuck_fs_file(const struct stuck_fs *fs)
{
	return fetch(fs, 'f');
}

int stuck_fs_directory(const struct stuck_fs *fs)
{
	return fetch(fs, 'd');
}

void stuck_fs_stop(struct stuck_fs *fs)
{
	child_kill(fs->server);
	close(fs->line);
	dir_remove(fs->dir);
}
