// SPDX-License-Identifier: Apache-2.0
/*
 * What a C program needs for the same work, as a yardstick: 120-byte records
 * in memory become JSON documents from text cached per flow, framed as Kafka
 * records in one batch per partition, with LZ4 or without, CRC-32C included.
 *
 * It is a limit rather than a contender: no ring, no other threads, no eviction
 * of flows, nobody to hand the batches to, and TCP, UDP and echo packets only.
 *
 *	c_limit FLOWS RECORDS CONSTANT ROUNDS none|lz4	prints nanoseconds an event
 *	c_limit FLOWS RECORDS CONSTANT print		prints the documents
 */
#include <isa-l/crc.h>
#include <lz4.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event.h"

#define PARTITIONS 3
#define BLOCK_BYTES 65536
#define LZ4_BATCH_BYTES (512 * 1024)
#define PLAIN_BATCH_BYTES (128 * 1024)
#define MAX_BYTES 2048
#define ACCELERATION 2

struct flow { /* as the benchmark writes it to the file */
	struct flow_key key;
	uint32_t partition;
	uint16_t key_length;
	uint16_t text_length;
	char record_key[32];
	char text[536];
};

struct batch {
	size_t used, out;
	uint32_t count;
	int64_t base_ms;
	size_t block_used;
	uint8_t block[BLOCK_BYTES + MAX_BYTES];
	uint8_t output[LZ4_BATCH_BYTES + BLOCK_BYTES];
};

static struct flow *flows;
static uint32_t *table, mask;
static struct batch batches[PARTITIONS];
static char constant[MAX_BYTES];
static size_t constant_length;
static int compress;
static void *lz4_state;
static uint64_t raw_bytes, sealed_bytes;
static uint32_t checksum;

static void *load(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	char *data;

	if (!file || fseek(file, 0, SEEK_END)) {
		perror(path);
		exit(1);
	}
	*length = ftell(file);
	rewind(file);
	data = malloc(*length + 1);
	if (fread(data, 1, *length, file) != *length)
		exit(1);
	fclose(file);
	return data;
}

static inline uint32_t hash_key(const struct flow_key *key)
{
	uint64_t word[8], sum = 0;

	memcpy(word, key, sizeof(word));
	for (int i = 0; i < 8; i++)
		sum = (sum ^ word[i]) * 0x9e3779b97f4a7c15ULL, sum ^= sum >> 32;
	return (uint32_t)sum;
}

static inline const struct flow *find(const struct flow_key *key)
{
	uint32_t at = hash_key(key) & mask;

	while (memcmp(&flows[table[at] - 1].key, key, sizeof(*key)))
		at = (at + 1) & mask;
	return &flows[table[at] - 1];
}

static inline char *put_number(char *out, uint64_t value)
{
	char digits[20];
	int n = 0;

	do
		digits[n++] = '0' + value % 10;
	while (value /= 10);
	while (n)
		*out++ = digits[--n];
	return out;
}

#define PUT(out, text) (memcpy(out, text, sizeof(text) - 1), (out) + sizeof(text) - 1)

static char *put_tcp(char *out, const struct packet_event *event)
{
	static const char *const names[] = { "\"fin\",", "\"syn\",", "\"rst\",", "\"psh\",", "\"ack\",",
					     "\"urg\",", "\"ece\",", "\"cwr\",", "\"ae\"," };

	out = PUT(out, ",\"tcp\":{\"flags\":[");
	for (int bit = 0; bit < 9; bit++) {
		if (event->tcp_flags >> bit & 1) {
			size_t n = strlen(names[bit]);

			memcpy(out, names[bit], n);
			out += n;
		}
	}
	out -= out[-1] == ',';
	out = put_number(PUT(out, "],\"seq\":"), event->tcp_seq);
	if (event->tcp_flags & 1 << 4)
		out = put_number(PUT(out, ",\"ack\":"), event->tcp_ack);
	out = put_number(PUT(out, ",\"window\":"), event->tcp_window);
	return PUT(out, "}");
}

static size_t encode(char *start, const struct packet_event *event, const struct flow *flow,
		     uint64_t sequence)
{
	static time_t second = -1;
	static char date[32];
	uint32_t rest = event->timestamp_ns % 1000000000;
	char *out = start;

	if ((time_t)(event->timestamp_ns / 1000000000) != second) {
		second = event->timestamp_ns / 1000000000;
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S.", gmtime(&second));
	}
	out = PUT(out, "{\"@timestamp\":\"");
	memcpy(out, date, 20);
	out += 20;
	for (int i = 8; i >= 0; i--, rest /= 10)
		out[i] = '0' + rest % 10;
	out = put_number(PUT(out + 9, "Z\",\"event\":{\"sequence\":"), sequence);
	memcpy(out, constant, constant_length);
	out += constant_length;
	memcpy(out, flow->text, flow->text_length);
	out += flow->text_length;
	out = put_number(PUT(out, "\"length\":"), event->wire_length);
	out = put_number(PUT(out, ",\"ttl\":"), event->ttl);
	if (event->tos >> 2)
		out = put_number(PUT(out, ",\"dscp\":"), event->tos >> 2);
	if (event->tos & 3)
		out = put_number(PUT(out, ",\"ecn\":"), event->tos & 3);
	if (event->parse & PARSE_HAS_ID)
		out = put_number(PUT(out, ",\"id\":"), event->ip_id);
	if (event->parse & PARSE_HAS_PAYLOAD)
		out = put_number(PUT(out, ",\"payload_length\":"), event->payload_length);
	if (event->segments != 1)
		out = put_number(PUT(out, ",\"segments\":"), event->segments);
	if (event->parse & PARSE_HAS_TCP)
		out = put_tcp(out, event);
	return PUT(out, "}}") - start;
}

static inline uint8_t *put_varint(uint8_t *out, int64_t value)
{
	uint64_t rest = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);

	for (; rest >= 0x80; rest >>= 7)
		*out++ = rest | 0x80;
	*out++ = rest;
	return out;
}

static inline int varint_bytes(int64_t value)
{
	uint8_t unused[10];

	return put_varint(unused, value) - unused;
}

static void flush_block(struct batch *batch, size_t length)
{
	if (compress) {
		int n = LZ4_compress_fast_extState(lz4_state, (char *)batch->block,
						   (char *)batch->output + batch->out + 4, length,
						   length, ACCELERATION);

		memcpy(batch->output + batch->out, &n, 4);
		batch->out += 4 + n;
	} else {
		memcpy(batch->output + batch->out, batch->block, length);
		batch->out += length;
	}
	memmove(batch->block, batch->block + length, batch->block_used - length);
	batch->block_used -= length;
}

static void seal(struct batch *batch)
{
	if (batch->block_used)
		flush_block(batch, batch->block_used);
	checksum ^= crc32_iscsi(batch->output, batch->out, 0xffffffff);
	raw_bytes += batch->used;
	sealed_bytes += batch->out;
	batch->used = batch->count = 0;
	batch->out = 61; /* the batch's header */
}

static void append(const struct packet_event *event, uint64_t sequence)
{
	static char document[MAX_BYTES];
	const struct flow *flow = find(&event->key);
	struct batch *batch = &batches[flow->partition];
	int64_t now_ms = event->timestamp_ns / 1000000;
	size_t length = encode(document, event, flow, sequence);
	uint8_t *start = batch->block + batch->block_used, *out = start;

	if (!batch->count)
		batch->base_ms = now_ms;
	out = put_varint(out, 1 + varint_bytes(now_ms - batch->base_ms) + varint_bytes(batch->count) +
				      varint_bytes(flow->key_length) + flow->key_length +
				      varint_bytes(length) + length + 1);
	*out++ = 0;
	out = put_varint(out, now_ms - batch->base_ms);
	out = put_varint(out, batch->count++);
	out = put_varint(out, flow->key_length);
	memcpy(out, flow->record_key, flow->key_length);
	out = put_varint(out + flow->key_length, length);
	memcpy(out, document, length);
	out += length;
	*out++ = 0;
	batch->block_used += out - start;
	batch->used += out - start;
	if (batch->block_used >= BLOCK_BYTES)
		flush_block(batch, BLOCK_BYTES);
	if (batch->used >= (compress ? LZ4_BATCH_BYTES : PLAIN_BATCH_BYTES) - MAX_BYTES)
		seal(batch);
}

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

int main(int argc, char **argv)
{
	size_t flow_bytes, record_bytes, flow_count, count;
	const struct packet_event *events;
	double best = 1e18;

	if (argc < 5)
		return 2;
	flows = load(argv[1], &flow_bytes);
	events = load(argv[2], &record_bytes);
	memcpy(constant, argv[3], constant_length = strlen(argv[3]));
	flow_count = flow_bytes / sizeof(*flows);
	count = record_bytes / sizeof(*events);
	for (mask = 1; mask < 2 * flow_count; mask *= 2)
		;
	table = calloc(mask--, sizeof(*table));
	for (uint32_t i = 0; i < flow_count; i++) {
		uint32_t at = hash_key(&flows[i].key) & mask;

		while (table[at])
			at = (at + 1) & mask;
		table[at] = i + 1;
	}
	if (!strcmp(argv[4], "print")) {
		for (size_t i = 0; i < count; i++) {
			char document[MAX_BYTES];

			fwrite(document, 1, encode(document, &events[i], find(&events[i].key), i), stdout);
			putchar('\n');
		}
		return 0;
	}
	if (argc < 6)
		return 2;
	compress = !strcmp(argv[5], "lz4");
	lz4_state = malloc(LZ4_sizeofState());
	for (int i = 0; i < PARTITIONS; i++)
		batches[i].out = 61;
	for (int round = 0; round < atoi(argv[4]); round++) {
		double start = cpu_ns(), took;

		for (size_t i = 0; i < count; i++)
			append(&events[i], i);
		took = (cpu_ns() - start) / count;
		if (took < best)
			best = took;
	}
	for (int i = 0; i < PARTITIONS; i++)
		seal(&batches[i]);
	printf("%.1f %.1f %.1f %08x\n", best, (double)raw_bytes / count / atoi(argv[4]),
	       (double)sealed_bytes / count / atoi(argv[4]), checksum);
	return 0;
}
