package waybill.address;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads a postal address out of free text, as customers type it. */
public final class AddressParser {
    private static final Pattern HOUSE = Pattern.compile("^(\\d+\\s?[a-zA-Z]?)\\s+(.+)$|^(.+?)\\s+(\\d+\\s?[a-zA-Z]?)$");
    private static final Map<String, Pattern> POSTCODES = Map.of(
            "GB", Pattern.compile("[A-Z]{1,2}\\d[A-Z\\d]? ?\\d[A-Z]{2}"),
            "DE", Pattern.compile("\\d{5}"),
            "NL", Pattern.compile("\\d{4} ?[A-Z]{2}"),
            "US", Pattern.compile("\\d{5}(?:-\\d{4})?"));
    private static final Map<String, String> SHORT_FORMS = Map.of(
            "st", "street", "rd", "road", "ave", "avenue", "str", "strasse", "sq", "square");

    /** An address in its parts. */
    public record Address(String name, String street, String house, String postcode, String city, String country) {
        /** The lines of a label, in the order the country's post wants them. */
        public List<String> toLabel() {
            String line = country.equals("GB") || country.equals("US") ? house + " " + street : street + " " + house;
            String place = country.equals("GB") ? city + "\n" + postcode : postcode + " " + city;
            return List.of(name, line, place, country);
        }
    }

    /** Reads the address from a text of at least three lines or parts between commas. */
    public static Address parse(String text, String country) {
        List<String> lines = splitLines(text);
        if (lines.size() < 3) {
            throw new IllegalArgumentException("address needs a name, a street and a town");
        }
        String last = lines.get(lines.size() - 1);
        String postcode = findPostcode(last, country)
                .orElseThrow(() -> new IllegalArgumentException("no postcode found in: " + last));
        String city = last.replace(postcode, "").strip();
        String[] street = splitHouseNumber(expandShortForms(lines.get(1)));
        return new Address(lines.get(0), street[0], street[1], postcode, city, country);
    }

    static List<String> splitLines(String text) {
        List<String> lines = new ArrayList<>();
        for (String part : text.split("[\\n,;]")) {
            String trimmed = part.strip().replaceAll("\\s+", " ");
            if (!trimmed.isEmpty()) {
                lines.add(trimmed);
            }
        }
        return lines;
    }

    static Optional<String> findPostcode(String line, String country) {
        Pattern pattern = POSTCODES.get(country);
        if (pattern == null) {
            return Optional.empty();
        }
        Matcher matcher = pattern.matcher(line.toUpperCase(Locale.ROOT));
        return matcher.find() ? Optional.of(matcher.group()) : Optional.empty();
    }

    static String expandShortForms(String street) {
        StringBuilder result = new StringBuilder();
        for (String word : street.split(" ")) {
            String bare = word.toLowerCase(Locale.ROOT).replaceAll("\\.$", "");
            result.append(result.isEmpty() ? "" : " ").append(SHORT_FORMS.getOrDefault(bare, word));
        }
        return result.toString();
    }

    private static String[] splitHouseNumber(String line) {
        Matcher matcher = HOUSE.matcher(line);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("no house number in: " + line);
        }
        boolean before = matcher.group(1) != null;
        return new String[] {matcher.group(before ? 2 : 3), matcher.group(before ? 1 : 4)};
    }

    /** Whether two addresses are the same door, however they are spelt. */
    public static boolean sameDoor(Address left, Address right) {
        return fold(left.postcode()).equals(fold(right.postcode()))
                && fold(left.house()).equals(fold(right.house()))
                && fold(expandShortForms(left.street())).equals(fold(expandShortForms(right.street())));
    }

    private static String fold(String text) {
        return text.toLowerCase(Locale.ROOT).replaceAll("[^\\p{L}\\p{N}]", "");
    }
}
