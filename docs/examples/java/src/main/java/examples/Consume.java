package examples;

import java.util.List;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Prints Meetbridge's records as JSON lines, decoded, and ends where the topics end.
 *
 * <pre>java -cp 'target/classes:target/lib/*' examples.Consume 127.0.0.1:9092 http://127.0.0.1:8081 teams.chats</pre>
 */
public final class Consume {
  public static void main(String[] args) {
    List<String> topics = List.of(args).subList(2, args.length);
    var config = Lines.config(args[0]);
    try (var consumer = new KafkaConsumer<String, GenericRecord>(config, new StringDeserializer(), new RegistryDecoder(args[1]))) {
      Lines.print(consumer, topics);
    }
  }
}
