package examples;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;

/**
 * Decodes values with nothing but Apache Avro: a zero byte, the schema's id in four bytes,
 * then the record. Any registry with Confluent's API tells the schema of an id.
 */
public final class RegistryDecoder implements Deserializer<GenericRecord> {
  private final String registry;
  private final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
  private final ObjectMapper json = new ObjectMapper();
  private final Map<Integer, GenericDatumReader<GenericRecord>> readers = new ConcurrentHashMap<>();

  public RegistryDecoder(String registry) {
    this.registry = registry;
  }

  @Override
  public GenericRecord deserialize(String topic, byte[] value) {
    if (value == null) {
      return null; // a tombstone
    }
    ByteBuffer frame = ByteBuffer.wrap(value);
    if (value.length < 5 || frame.get() != 0) {
      throw new SerializationException("a value of " + topic + " is not framed");
    }
    GenericDatumReader<GenericRecord> reader = readers.computeIfAbsent(frame.getInt(), this::reader);
    try {
      return reader.read(null, DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null));
    } catch (IOException e) {
      throw new SerializationException("a value of " + topic + " does not fit its schema", e);
    }
  }

  private GenericDatumReader<GenericRecord> reader(int id) {
    URI uri = URI.create(registry + "/schemas/ids/" + id);
    try {
      HttpResponse<String> answer =
          http.send(HttpRequest.newBuilder(uri).timeout(Duration.ofSeconds(10)).build(), HttpResponse.BodyHandlers.ofString());
      if (answer.statusCode() != 200) {
        throw new SerializationException(uri + " answered " + answer.statusCode());
      }
      return new GenericDatumReader<>(new Schema.Parser().parse(json.readTree(answer.body()).get("schema").asText()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new SerializationException("interrupted while asking for a schema", e);
    }
  }
}
