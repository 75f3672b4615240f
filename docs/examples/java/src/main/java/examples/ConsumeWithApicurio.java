package examples;

import java.util.List;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;

/**
 * The same with Apicurio's own deserializer, which needs Apicurio's own API.
 *
 * <pre>java -cp 'target/classes:target/lib/*' examples.ConsumeWithApicurio 127.0.0.1:9092 \
 *     http://127.0.0.1:8080/apis/registry/v3 teams.chats</pre>
 */
public final class ConsumeWithApicurio {
  public static void main(String[] args) {
    List<String> topics = List.of(args).subList(2, args.length);
    var config = Lines.config(args[0]);
    config.put(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, "org.apache.kafka.common.serialization.StringDeserializer");
    config.put(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, "io.apicurio.registry.serde.avro.AvroKafkaDeserializer");
    config.put("apicurio.registry.url", args[1]);
    try (var consumer = new KafkaConsumer<String, GenericRecord>(config)) {
      Lines.print(consumer, topics);
    }
    System.exit(0); // the deserializer's HTTP client leaves threads behind
  }
}
