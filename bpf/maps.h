/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef STREAMER_MAPS_H
#define STREAMER_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "config.h"
#include "event.h"

#define OWN_CONNECTIONS_MAX 1024

/* The records, in the order of their reservation. User space sets the size. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTER_SLOTS);
	__type(key, __u32);
	__type(value, struct hook_counters);
} counters SEC(".maps");

/* One entry: the sequence number of the CPU's next record. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sequences SEC(".maps");

/*
 * One entry: the event being made, and how far its packet has been read. On
 * the stack, or in registers, the verifier would follow each value along each
 * path and give up; what is in a map it takes as unknown.
 */
struct position {
	volatile __u32 offset; /* of the next header */
	volatile __u32 end;    /* of the packet, as far as its headers are right */
};

struct scratch {
	struct packet_event event;
	struct position position;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

/* TCP connections of streamer itself, entered by user space in both directions. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OWN_CONNECTIONS_MAX);
	__type(key, struct endpoints);
	__type(value, __u8);
} own_connections SEC(".maps");

#endif
