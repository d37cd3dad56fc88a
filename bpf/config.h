/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What user space sets before the object is loaded, and the small structures
 * it shares with the programs beside event.h.
 *
 * The switches are read-only data, frozen at load: the verifier knows their
 * values and removes the code they turn off. So a call that an older kernel
 * does not have never reaches it.
 */
#ifndef STREAMER_CONFIG_H
#define STREAMER_CONFIG_H

#include <linux/types.h>
#include <stdbool.h>

/* The reader is woken when the ring's fill rises over this many bytes … */
const volatile __u32 wakeup_bytes = 16384;
/* … and, should it be late, once more at half of the ring's size. */
const volatile __u32 ring_bytes = 8 << 20;
/* The kernel has bpf_xdp_load_bytes and bpf_xdp_get_buff_len (5.18). */
const volatile bool use_xdp_load_bytes = false;
/* Packets are test runs over a capture: struct replay_meta is before the data. */
const volatile bool replay = false;
/* What a socket filter sees of both directions; the other hooks see one. */
const volatile bool socket_ingress = true;
const volatile bool socket_egress = true;
/* Packets of own_connections are counted and left out. */
const volatile bool exclude_own = false;

enum replay_link {
	REPLAY_ETHERNET = 0,
	/* 14 filler bytes, the last 2 the ethertype, then the packet */
	REPLAY_NO_LINK_LAYER = 1,
};

/* In front of the data of an XDP test run, as the frame's metadata. */
struct replay_meta {
	__u64 timestamp_ns; /* UTC */
	__u32 wire_length;  /* before the capture cut it; without the filler */
	__u16 link;	    /* enum replay_link */
	__u8 padding;	    /* bytes at the end that only bring the frame to 14 */
	__u8 link_header;   /* bytes of wire_length that the filler stands for */
};

_Static_assert(sizeof(struct replay_meta) == 16, "replay_meta");

/* Index of the map `counters`. */
enum counter_slot {
	TC_INGRESS = 0,
	TC_EGRESS = 1,
	XDP_INGRESS = 2,
	SOCKET_INGRESS = 3,
	SOCKET_EGRESS = 4,
	COUNTER_SLOTS,
};

/* Every packet's fate: seen = filtered_self + ring_full + emitted. */
struct hook_counters {
	__u64 seen;
	__u64 segments; /* wire packets in what was seen */
	__u64 filtered_self;
	__u64 ring_full;
	__u64 emitted;
};

_Static_assert(sizeof(struct hook_counters) == 40, "hook_counters");

#endif
