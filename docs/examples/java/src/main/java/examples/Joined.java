package examples;

import com.fasterxml.jackson.databind.node.TextNode;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.StreamJoined;

/**
 * Kafka Streams: the call events of a meeting joined with its transcripts by the meeting's key.
 * Both topics have the same number of partitions and the same key goes to the same one, so
 * nothing has to be moved for it. Prints a JSON line for each pair, and ends when it has seen
 * all that was there at its start.
 *
 * <pre>java -cp 'target/classes:target/lib/*' examples.Joined 127.0.0.1:9092 http://127.0.0.1:8081 teams.</pre>
 */
public final class Joined {
  /** A transcript comes up to a day after its call. */
  static final Duration WITHIN = Duration.ofDays(1);

  public static void main(String[] args) throws Exception {
    String prefix = args.length > 2 ? args[2] : "teams.";
    List<String> topics = List.of(prefix + "meeting-call-events", prefix + "call-transcripts");
    AtomicLong left = new AtomicLong();
    CountDownLatch done = new CountDownLatch(1);
    Topology topology = topology(topics.get(0), topics.get(1), new RegistryDecoder(args[1]), () -> {
      if (left.decrementAndGet() == 0) {
        done.countDown();
      }
    });

    Properties config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, "joined-" + UUID.randomUUID()); // a fixed name would go on where it stopped
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    config.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("joined").toString());
    config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "-1");
    config.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    left.set(records(args[0], topics));

    KafkaStreams streams = new KafkaStreams(topology, config);
    streams.setUncaughtExceptionHandler(e -> {
      e.printStackTrace();
      Runtime.getRuntime().halt(1);
      return null;
    });
    streams.start();
    done.await();
    streams.close(Duration.ofSeconds(10));
    streams.cleanUp();
    System.out.flush();
  }

  static Topology topology(String calls, String transcripts, RegistryDecoder decoder, Runnable seen) {
    StreamsBuilder builder = new StreamsBuilder();
    var raw = Consumed.with(Serdes.String(), Serdes.ByteArray());
    var events = builder.stream(calls, raw).peek((k, v) -> seen.run()).mapValues(v -> text(decoder, calls, v, "event_type"));
    var made = builder.stream(transcripts, raw).peek((k, v) -> seen.run()).mapValues(v -> text(decoder, transcripts, v, "call_id"));
    Serde<String> s = Serdes.String();
    events
        .join(made, (call, transcript) -> "\"call_event\":" + call + ",\"transcript\":" + transcript,
            JoinWindows.ofTimeDifferenceAndGrace(WITHIN, WITHIN), StreamJoined.with(s, s, s))
        .foreach((key, pair) -> System.out.println("{\"key\":" + new TextNode(key) + "," + pair + "}"));
    return builder.build();
  }

  private static String text(RegistryDecoder decoder, String topic, byte[] value, String what) {
    GenericRecord r = decoder.deserialize(topic, value);
    return "{\"event_id\":\"" + r.get("event_id") + "\",\"" + what + "\":" + new TextNode(String.valueOf(r.get(what))) + "}";
  }

  /** How many records the topics hold now. */
  private static long records(String brokers, List<String> topics) throws Exception {
    try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", brokers))) {
      long n = 0;
      for (var description : admin.describeTopics(topics).allTopicNames().get().values()) {
        for (var p : description.partitions()) {
          TopicPartition at = new TopicPartition(description.name(), p.partition());
          n += admin.listOffsets(Map.of(at, OffsetSpec.latest())).partitionResult(at).get().offset()
              - admin.listOffsets(Map.of(at, OffsetSpec.earliest())).partitionResult(at).get().offset();
        }
      }
      return n;
    }
  }
}
