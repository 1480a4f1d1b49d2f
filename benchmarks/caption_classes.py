"""Classes in captions: the words that name a class, and those that may imply it.

`CLASSES`: class → (words that name it, further words that may imply it), as patterns. Of an image with several captions
a class is *true* where at least half of them name it, and *false* where none contains a word of either pattern; other
images are left out of a measurement.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path

import numpy as np

CLASSES: dict[str, tuple[str, str]] = {
    "dog": (
        r"dogs?|pupp(y|ies)|retriever|terrier|poodle|greyhounds?|hound|labrador|collie|bulldog|dachshund|canine|beagle|dalmatian|rottweiler|shepherd|spaniel|mutt|pug|corgi",
        r"",
    ),
    "cat": (r"cats?|kittens?|kitty", r""),
    "horse": (r"horses?|pony|ponies|stallion|mare|bronco", r""),
    "bird": (
        r"birds?|ducks?|geese|seagulls?|pigeons?|owl|parrot",
        r"goose|pelicans?|eagle|flamingos?|swans?|chickens?|crane|heron|parakeet",
    ),
    "cow": (r"cows?|cattle|bulls?|ox|oxen|calf|calves|steer", r""),
    "sheep": (r"sheep|lambs?|rams?", r""),
    "elephant": (r"elephants?", r""),
    "giraffe": (r"giraffes?", r""),
    "zebra": (r"zebras?", r""),
    "bear": (r"bears?", r"teddy"),
    "bicycle": (r"bicycles?|bicyclists?|cyclists?|bmx|bikes?", r"biker|bikers|biking|cycling"),
    "motorcycle": (
        r"motorcycles?|motorbikes?|motocross|motorcyclists?|dirt bikes?|scooters?",
        r"motor bikes?|moped|biker|bikers|bikes?",
    ),
    "car": (r"cars?|suv|jeep|van|taxi|racecar", r"automobiles?|sedan|cab|vehicles?|minivan"),
    "bus": (r"bus|buses", r""),
    "train": (r"trains?|locomotive|railway|tram|subway|trolley", r""),
    "boat": (
        r"boats?|ships?|canoes?|kayaks?|kayakers?|sailboats?|yacht|raft|rafts|sailing|rowing|rowboat|canoeing|kayaking|kayaker|ferry",
        r"",
    ),
    "aeroplane": (r"planes?|airplanes?|aeroplanes?|jets?|aircraft|jetliner|airliner|biplane", r""),
    "truck": (r"trucks?|lorry|pickup", r""),
    "child": (r"child|children|kids?|boys?|girls?|toddlers?|bab(y|ies)|infant|youngsters?|youth", r""),
    "man": (r"man|men|guys?|gentleman", r"male|males|boys?|father|dad|he|his|person|people|player|players"),
    "woman": (r"woman|women|lady|ladies", r"girls?|female|females|mother|bride|mom|she|her|person|people"),
    "crowd of people": (
        r"crowds?|crowded|audience|spectators|many people|large group",
        r"group of people|people|parade",
    ),
    "beach": (r"beach|beaches|seashore|shore", r"sand|sandy|ocean|sea|coast|surf|surfer|shoreline"),
    "snow": (r"snow|snowy", r"snow\w*|ski\w*|icy|ice|winter|sled\w*"),
    "mountain": (r"mountains?|mountainous|peaks?|cliffs?", r"hills?|rocks?|rocky|alps|summit|hillside|mountainside"),
    "swimming pool": (r"pools?", r"swim\w*|diving|dives?"),
    "river or lake": (r"rivers?|lakes?|streams?|creek|ponds?", r"water|rapids|ocean|waterfall|waves?|waterway"),
    "skateboard": (r"skateboard\w*|skate\w*|halfpipe|half-pipe|half pipe", r""),
    "surfboard": (r"surfboards?|surfing|surfer|surfers|surfs", r"surf\w*|wakeboard\w*|boogie|windsurf\w*|paddleboard"),
    "skis": (r"ski|skis|skiing|skier|skiers", r"ski\w*|snowboard\w*"),
    "snowboard": (r"snowboard\w*", r"ski\w*"),
    "football match": (r"soccer|football|rugby", r"footballs"),
    "basketball": (r"basketballs?|nba|dunk\w*|hoop", r""),
    "baseball game": (r"baseball", r"baseballs?|softball|bats?|batter|pitcher|umpire|batting"),
    "tennis": (r"tennis|racquet|racket|rackets", r""),
    "ice hockey": (r"hockey", r""),
    "ball": (r"balls?|tennis ball|soccer ball", r"\w*balls?|soccer|tennis|football|volleyball|rugby|baseball|softball"),
    "kite": (r"kites?", r"parasail\w*|kiteboard\w*"),
    "frisbee": (r"frisbees?|frizbee", r"disc|disk"),
    "climber": (r"climb\w*|rappel\w*", r"cliff|scal\w+|rock face|mountaineer"),
    "kitchen": (r"kitchens?", r"stove|oven|refrigerator|fridge|counter|microwave"),
    "bathroom": (r"bathrooms?|toilets?", r"sink|bathtub|shower|tub|urinal|restroom"),
    "bed": (r"beds?|bedroom", r"mattress|hotel room|bunk"),
    "sofa": (r"sofas?|couch\w*", r"loveseat|living room|armchair|recliner"),
    "pizza": (r"pizzas?", r""),
    "cake": (r"cakes?|cupcakes?", r"birthday|dessert|pastry|pastries|donuts?|doughnuts?"),
    "sandwich": (r"sandwich\w*", r"burgers?|hotdogs?|hot dogs?|hamburgers?|sub"),
    "banana": (r"bananas?", r"fruits?"),
    "broccoli": (r"broccoli", r"vegetables?|salad|veggies"),
    "cup of coffee": (r"coffee|mugs?|latte", r"cups?|tea|espresso"),
    "plate of food": (
        r"plates?|meal|dish|food",
        r"dinner|lunch|breakfast|pizza|sandwich\w*|eating|bowl|eat|eats|cake|salad|dining|cook\w*|restaurant|vegetables|dishes|meat|soup",
    ),
    "laptop": (r"laptops?", r"computers?|notebook|macbook"),
    "television": (r"tvs?|televisions?", r"screen|monitor"),
    "telephone": (r"phones?|cellphones?|telephones?", r"cell|mobile"),
    "clock": (r"clocks?", r"time|watch"),
    "traffic light": (
        r"traffic lights?|stoplight|traffic signals?",
        r"traffic|stop light|street light|lights?|signals?",
    ),
    "road sign": (r"stop sign|street signs?|road signs?|signs?", r""),
    "fire hydrant": (r"hydrants?", r""),
    "bench": (r"bench\w*", r"seats?"),
    "umbrella": (r"umbrellas?|parasols?", r""),
    "teddy bear": (r"teddy", r"stuffed|bears?|toys?"),
    "toy": (r"toys?", r"dolls?|teddy|stuffed|lego|blocks"),
    "vase of flowers": (r"vases?", r"flowers?|bouquet|floral|roses?"),
    "flower": (r"flowers?|roses?|tulips?", r"bouquet|daisies|blossoms?|floral|bloom\w*"),
    "forest": (r"forests?|woods|wooded|jungle", r"trees?|wood"),
    "street": (
        r"streets?|roads?|alley",
        r"sidewalks?|city|downtown|traffic|pavement|urban|intersection|crosswalk|town",
    ),
    "building": (
        r"buildings?|church|skyscrapers?",
        r"house|houses|towers?|castle|city|store|shop|structure|barn|home|architecture|brick",
    ),
    "guitar": (r"guitars?|guitarist", r"band|musicians?|music|instruments?|bass"),
    "concert": (r"concert|band|stage", r"sing\w*|musicians?|perform\w*|microphone|guitars?|music"),
    "dancer": (r"danc\w+|ballet", r"perform\w*"),
    "campfire": (r"campfire|bonfire|fire", r"camp\w*|flames?"),
    "tent": (r"tents?", r"camp\w*|canopy"),
    "bride": (r"bride\w*|wedding", r"groom|marri\w+"),
    "sunset": (r"sunset|sunrise", r"dusk|dawn|sun|evening"),
    "sunglasses": (r"sunglasses", r"glasses|goggles|shades"),
    "hat": (r"hats?|caps?", r"helmets?|beanie|bonnet|headdress|hood"),
    "tie": (r"ties?|necktie", r"suits?|bowtie|tuxedo"),
    "book": (r"books?|reading", r"read\w*|magazine|bookshel\w+|library|newspaper"),
    "swing": (r"swings?", r"swing\w*"),
    "playground slide": (r"slide", r"slid\w+|playground"),
    "trampoline": (r"trampoline", r"trampoline\w*|jump\w*|bounc\w*"),
    "race": (r"race|races|racing|marathon", r"rac\w+|track|runners?|compet\w+|running|runs?"),
    "fishing rod": (r"fishing", r"fish\w*|rod|pole"),
    "bubbles": (r"bubbles?", r""),
    "fountain": (r"fountains?", r"sprinkler|water|spray\w*"),
    "desert": (r"desert|dunes?", r"sand|sandy"),
    "grass": (r"grass|grassy|lawn", r"grass\w*|field|meadow|park|pasture|yard|green"),
    "stairs": (r"stairs?|steps|staircase", r"stairway|stairwell"),
    "face": (r"face|faces|portrait", r"smil\w*|close.?up|eyes?|head|mouth|tongue|makeup"),
}


def read_captions(path: Path) -> dict[str, list[str]]:
    """File → captions, from a table of file and caption, one caption a line."""
    captions: dict[str, list[str]] = defaultdict(list)
    with open(path, encoding="utf-8", newline="") as file:
        for name, caption in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            captions[name].append(caption)
    return captions


def truths(captions: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Where each class is true and where it is false of each image, (N, K) bool each."""
    named = [_pattern(words) for words, _ in CLASSES.values()]
    implied = [_pattern(f"{words}|{more}" if more else words) for words, more in CLASSES.values()]
    true_NK = np.array([[2 * sum(bool(p.search(text)) for text in own) >= len(own) for p in named] for own in captions])
    false_NK = np.array([[not any(p.search(text) for text in own) for p in implied] for own in captions])
    return true_NK, false_NK


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
