/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Unix listener that only its maker can connect to, and that leaves nothing behind: its
 * socket file is gone at once, and reached through a descriptor of it.
 */
#pragma once

/* *ret_listener: to be accepted on, blocking; *ret_path: O_PATH of its socket, to be connected
 * to as /proc/self/fd/N. 0 or a negative errno. */
int private_listener(int type, int *ret_listener, int *ret_path);
